// What happens is shown as it happens: by one stream for all tabs, over cuts of the network, and without a stream by
// asking. The browser reaches the server through a wire that the test can cut.
import { createServer, connect, type AddressInfo, type Server, type Socket } from "node:net";
import type { BrowserContext, Page } from "@playwright/test";
import { expect, test, type House } from "./house";

class Wire {
  private readonly sockets = new Set<Socket>();
  private isCut = false;
  private constructor(private readonly server: Server) {}
  get url(): string { return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`; }

  static async to(house: House): Promise<Wire> {
    const wire = new Wire(createServer());
    wire.server.on("connection", (near) => {
      if (wire.isCut) return void near.destroy();
      const far = connect(house.http, "127.0.0.1");
      for (const [one, other] of [[near, far], [far, near]] as const) {
        wire.sockets.add(one);
        one.on("error", () => {}).on("close", () => (wire.sockets.delete(one), other.destroy()));
        one.pipe(other);
      }
    });
    await new Promise<void>((done) => wire.server.listen(0, "127.0.0.1", done));
    house.origins.add(wire.url);
    return wire;
  }
  cut(): void {
    this.isCut = true;
    for (const one of this.sockets) one.destroy();
  }
  mend(): void { this.isCut = false; }
  close(): void {
    this.cut();
    this.server.close();
  }
}

async function signInAt(page: Page, url: string, path: string): Promise<void> {
  await page.goto(url + path);
  await page.getByLabel("User").fill("guest");
  await page.getByLabel("Password").fill("guest");
  await page.getByRole("button", { name: "Sign in" }).click();
  await expect(page.getByRole("button", { name: "Sign out" })).toBeVisible();
}

const isEvents = (url: string): boolean => url.includes("/baton/v1/events");
/** How many streams are open in all tabs. */
function streamsOf(context: BrowserContext): { open: () => number; ever: () => number } {
  const open = new Set<unknown>();
  let ever = 0;
  context.on("request", (request) => void (isEvents(request.url()) && (open.add(request), ++ever)));
  for (const end of ["requestfinished", "requestfailed"] as const) context.on(end as "requestfinished", (request) => void open.delete(request));
  return { open: () => open.size, ever: () => ever };
}

const steps = 12;
const source = (name: string): string => `workflow = "${name}"\n` + Array.from({ length: steps }, (_, i) => `[[step]]\nid = "s${i}"\ntask = "${name}.task"\nwith = { n = ${i} }\n${i ? `after = ["s${i - 1}"]\n` : ""}`).join("");
const doneSteps = (page: Page) => page.getByRole("table", { name: "Steps" }).locator(".state", { hasText: /done$/ });

test("what is shown over many cuts never goes back, and is what a fresh page shows", async ({ page, house, context }) => {
  test.setTimeout(400_000);
  const cuts = Number(process.env.BATON_PAGE_CUTS ?? 12);
  const wire = await Wire.to(house);
  await house.deploy(source("cuts"));
  const goOn: (() => void)[] = [];
  await house.worker("cuts-1", { "cuts.task": () => new Promise((done) => goOn.push(() => done({}))) });
  const run = await house.run("cuts");
  await signInAt(page, wire.url, `/runs/${run}?tab=steps`);
  await expect(page.getByRole("table", { name: "Steps" })).toBeVisible();
  const list = await context.newPage();
  await list.goto(wire.url + "/runs?q=workflow:cuts");
  // Each number of done steps that was ever on the screen.
  await page.evaluate(() => {
    const seen: number[] = ((window as unknown as { seen: number[] }).seen = []);
    const look = (): void => {
      const now = [...document.querySelectorAll("table[aria-label=Steps] .state")].filter((one) => one.textContent?.trim().endsWith("done")).length;
      if (document.querySelector("table[aria-label=Steps]") && seen.at(-1) !== now) seen.push(now);
    };
    new MutationObserver(look).observe(document.body, { subtree: true, childList: true, characterData: true });
    look();
  });
  for (let i = 0; i < cuts; ++i) {
    wire.cut();
    if (i < steps - 1) {
      await expect.poll(() => goOn.length).toBeGreaterThan(0);
      goOn.shift()!();
    } else await house.run("cuts", {}, `more-${i}`);
    await new Promise((done) => setTimeout(done, 100 + ((i * 137) % 700)));
    wire.mend();
    await new Promise((done) => setTimeout(done, 100 + ((i * 211) % 900)));
  }
  const done = Math.min(cuts, steps - 1);
  await expect(doneSteps(page), "the cuts are over").toHaveCount(done);
  const seen = await page.evaluate(() => (window as unknown as { seen: number[] }).seen);
  expect(seen, "nothing went back").toEqual([...seen].sort((one, other) => one - other));
  expect(seen.length, "it was live between the cuts").toBeGreaterThan(2);
  const facets = (at: Page) => at.locator(".facets a").allInnerTexts();
  const fresh = await context.newPage();
  await fresh.goto(wire.url + "/runs?q=workflow:cuts");
  await expect(fresh.locator(".facets a").first()).toBeVisible();
  await expect.poll(() => facets(list)).toEqual(await facets(fresh));
  wire.close();
});

test("twenty tabs share one stream, and when the tab that holds it is closed another does", async ({ page, house, context }) => {
  test.setTimeout(600_000);
  const tabs = 20;
  await house.deploy(source("tabs"));
  const goOn: (() => void)[] = [];
  await house.worker("tabs-1", { "tabs.task": () => new Promise((done) => goOn.push(() => done({}))) });
  const run = await house.run("tabs");
  const streams = streamsOf(context);
  await signInAt(page, house.url, `/runs/${run}?tab=steps`);
  await expect.poll(streams.open).toBe(1);
  const others: Page[] = [];
  for (let i = 1; i < tabs; ++i) {
    const other = await context.newPage();
    await other.goto(house.url + (i % 2 ? `/runs/${run}?tab=steps` : "/runs?q=workflow:tabs"));
    others.push(other);
  }
  for (const [i, other] of others.entries()) await expect(other.getByRole("table", { name: i % 2 ? "Runs" : "Steps" })).toBeVisible();
  await expect.poll(streams.open, "one for all").toBe(1);
  const step = async (done: number, all: Page[]): Promise<void> => {
    await expect.poll(() => goOn.length).toBeGreaterThan(0);
    goOn.shift()!();
    for (const one of all) await expect(doneSteps(one)).toHaveCount(done);
  };
  const ofRun = others.filter((_, i) => i % 2 === 0);
  await step(1, [page, ...ofRun]);
  await page.close();
  await expect.poll(streams.open, "another tab holds it now").toBe(1);
  await step(2, ofRun);
  for (const one of others) await one.close();
});

test("with a stream nobody asks without need, and without one it is asked every few seconds", async ({ page, house }) => {
  await house.deploy(source("quiet"));
  const run = await house.run("quiet");
  let asked = 0;
  page.on("request", (request) => void (request.url().endsWith(`/api/runs/${run}`) && ++asked));
  await signInAt(page, house.url, `/runs/${run}?tab=steps`);
  await page.waitForTimeout(3000); // the stream begins, and what was loaded before it is loaded again
  asked = 0;
  await page.waitForTimeout(15_000);
  expect(asked, "nothing happened").toBeLessThanOrEqual(2);
  // A proxy on the way that lets no stream through.
  await page.route("**/baton/v1/events**", (route) => route.fulfill({ status: 502, body: "no" }));
  await page.reload();
  await expect(page.getByRole("table", { name: "Steps" })).toBeVisible();
  asked = 0;
  await expect.poll(() => asked, { timeout: 30_000 }).toBeGreaterThanOrEqual(2);
  await house.api("POST", `/api/runs/${run}/cancel`, { reason: "seen" });
  await expect(page.getByRole("region", { name: "Why" })).toContainText("the run is cancelled");
});
