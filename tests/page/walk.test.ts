// The walk of docs/page.md: what it tells of is there, on a shop's server. With BATON_UPDATE_PAGE=1 a picture of each is
// written to docs/page; each picture that the document shows is one of these.
import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Page } from "@playwright/test";
import { expect, root, signIn, test } from "./house";
import { furnish } from "./shop";

/** A third of the bytes of a PNG, by the browser itself. */
async function asWebp(desk: Page, png: Buffer): Promise<Buffer> {
  const packed = await desk.evaluate(async (text) => {
    const bytes = Uint8Array.from(atob(text), (one) => one.charCodeAt(0));
    const picture = await createImageBitmap(new Blob([bytes], { type: "image/png" }));
    const canvas = new OffscreenCanvas(picture.width, picture.height);
    canvas.getContext("2d")!.drawImage(picture, 0, 0);
    const blob = await canvas.convertToBlob({ type: "image/webp", quality: 0.8 });
    return Array.from(new Uint8Array(await blob.arrayBuffer()));
  }, png.toString("base64"));
  return Buffer.from(packed);
}

test("the walk of docs/page.md", async ({ page, house, browser }) => {
  test.setTimeout(600_000);
  const desk = await browser.newPage();
  const pictures = join(root, "docs/page");
  const { failed, waiting, cause, connection, channel } = await furnish(house, 40);
  await house.deploy(`workflow = "nightly"\n[[on]]\ncron = "0 3 * * *"\ntimezone = "Europe/Berlin"\n[[step]]\nid = "report"\ntask = "stock.reserve"\nwith = { order = 0 }\n`);
  await house.deploy(`workflow = "invoice"\n[[step]]\nid = "paid"\nevent = { type = "invoice.paid", match = { "data.order" = "7" } }\n[[step]]\nid = "go"\nsignal = "go"\n`);
  await house.run("invoice");
  await house.api("PUT", "/api/policies/%2F/short", { pattern: "^orders$", "apply-to": "queues", priority: 1, definition: { "max-length": 10000 } });
  await house.api("PUT", "/api/vhost-limits/%2F/max-queues", { value: 1000 });
  await house.api("POST", "/baton/v1/tokens", { name: "the shop's deploys", role: "deployer", expires_at: new Date(Date.now() + 30 * 86_400_000).toISOString() });
  await house.api("POST", "/baton/v1/operations", { kind: "runs", q: "workflow:order status:failed error:card_declined", action: "retry", rate: "100/s", stop_after: 3 }).catch(() => null);
  const shown: string[] = [];
  const show = async (name: string, path: string, sees: string | RegExp, scheme: "light" | "dark" = "light", width = 1000, height = 560): Promise<void> => {
    shown.push(name + ".webp");
    await page.setViewportSize({ width, height });
    await page.emulateMedia({ colorScheme: scheme, reducedMotion: "reduce" });
    await page.goto(house.url + path);
    await expect(page.getByRole("main")).toContainText(sees);
    await expect(page.locator("[aria-busy=true]")).toHaveCount(0);
    if (!process.env.BATON_UPDATE_PAGE) return;
    mkdirSync(pictures, { recursive: true });
    await page.waitForTimeout(500); // charts are drawn
    writeFileSync(join(pictures, name + ".webp"), await asWebp(desk, await page.screenshot()));
  };
  await signIn(page, house);
  for (const [name, q] of [["Declined cards", "workflow:order error:card_declined"], ["This hour", "since:1h"]] as const) await house.api("PUT", "/baton/v1/views/" + encodeURIComponent(name), { q });
  await show("run", `/runs/${failed}`, /it gave up \(.*card.*declined/);
  await show("step", `/runs/${failed}?step=charge`, "card_declined");
  await show("approval", `/runs/${waiting}`, "it asks guest", "light", 360, 640);
  await show("approvals", "/approvals", "Ship order");
  await show("waits", "/waits", "an event invoice.paid");
  await show("schedules", "/schedules", "nightly");
  await show("runs", "/runs", /failed\s+\d+/);
  await show("views", "/views", "Declined cards");
  await show("operations", "/operations", "retry runs");
  await show("dead", "/dead", /card_declined|unavailable/);
  await show("cause", `/dead/${cause}`, "Letters of this cause", "dark");
  await show("workflows", "/workflows", "nightly");
  await show("workflow", "/workflows/order", "Graph");
  await show("editor", "/edit/order", "What is wrong");
  await show("tasks", "/tasks", "billing.charge");
  await show("task", "/tasks/billing.charge", "Causes of failure");
  await show("workers", "/workers", "shop-1");
  await show("broker", "/broker", "Messages per second", "dark");
  await show("queues", "/broker/queues", "orders");
  await show("queue", "/broker/queues/%2F/orders", "Messages per second");
  await show("exchanges", "/broker/exchanges", "amq.topic");
  await show("exchange", "/broker/exchanges/%2F/amq.topic", "order.#");
  await show("connections", "/broker/connections", "till 7");
  await show("connection", `/broker/connections/${encodeURIComponent(connection)}`, "What it is", "dark");
  await show("channels", "/broker/channels", "(1)");
  await show("channel", `/broker/channels/${encodeURIComponent(channel)}`, "till");
  await show("consumers", "/broker/consumers", "till");
  await show("users", "/admin/users", "administrator");
  await show("user", "/admin/users/guest", "Permissions");
  await show("vhosts", "/admin/vhosts", "/");
  await show("vhost", "/admin/vhosts/%2F", "Permissions");
  await show("policies", "/admin/policies", "max-length = 10000");
  await show("limits", "/admin/limits", "max-queues");
  await show("tokens", "/admin/tokens", "the shop's deploys");
  await show("sessions", "/admin/sessions", "this one");
  await show("audit", "/admin/audit", "guest");
  await show("definitions", "/admin/definitions", "Download");
  await show("overview", "/", "Why things fail now");

  const named = [...readFileSync(join(root, "docs/page.md"), "utf8").matchAll(/\(page\/([a-z]+\.webp)\)/g)].map((found) => found[1]!);
  expect([...new Set(named)].sort(), "the document has a picture of each page").toEqual([...shown].sort());
  const sizes = readdirSync(pictures).map((name) => statSync(join(pictures, name)).size);
  expect(readdirSync(pictures).sort(), "and all of them are there").toEqual([...shown].sort());
  expect(sizes.reduce((sum, size) => sum + size, 0), "in all").toBeLessThan(2_000_000);
});
