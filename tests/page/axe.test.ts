// Every page in both colour schemes by the rules of WCAG 2.2 AA, with something on it; and a control: the same look finds
// what is wrong when something is.
import AxeBuilder from "@axe-core/playwright";
import type { Page } from "@playwright/test";
import { expect, signIn, test, type House } from "./house";
import { furnish, type Furnished } from "./shop";

let shop: Furnished;
const furnished = async (house: House): Promise<Furnished> => (shop ??= await furnish(house));

const look = async (page: Page): Promise<string[]> => {
  const found = await new AxeBuilder({ page }).withTags(["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]).analyze();
  return found.violations.map((one) => `${one.id}: ${one.help}: ${one.nodes.slice(0, 3).map((node) => node.html.slice(0, 160)).join(" | ")}`);
};

for (const scheme of ["light", "dark"] as const)
  test(`no page has a finding, ${scheme}`, async ({ page, house }) => {
    test.setTimeout(900_000);
    const { failed, waiting, cause, channel, connection } = await furnished(house);
    await page.emulateMedia({ colorScheme: scheme, reducedMotion: "reduce" });
    await page.goto(house.url + "/");
    await expect(page.getByRole("button", { name: "Sign in" })).toBeVisible();
    expect(await look(page), "sign-in").toEqual([]);
    await signIn(page, house);
    const pages = [
      "/", "/runs", "/runs?q=sttaus:failed", `/runs/${failed}`, `/runs/${failed}?step=charge`, `/runs/${failed}?tab=history`, `/runs/${failed}?tab=attempts`, `/runs/${failed}?tab=steps`, `/runs/${failed}?tab=acts`, `/runs/${waiting}`,
      "/dead", `/dead/${cause}`, "/operations", "/workflows", "/workflows/order", "/workflows/order?tab=versions", "/workflows/order?tab=source", "/edit/new", "/tasks", "/tasks/billing.charge", "/workers", "/approvals", "/waits", "/waits?kind=signal", "/views", "/schedules", "/admin/tokens", "/admin/sessions?whose=all", "/admin/audit",
      "/broker", "/broker/queues", "/broker/queues/%2F/orders", "/broker/queues/%2F/orders?tab=bindings", "/broker/queues/%2F/orders?tab=consumers", "/broker/queues/%2F/orders?tab=details", "/broker/exchanges", "/broker/exchanges/%2F/amq.topic",
      "/broker/connections", `/broker/connections/${encodeURIComponent(connection)}`, "/broker/channels", `/broker/channels/${encodeURIComponent(channel)}`, "/broker/consumers",
      "/admin/users", "/admin/users/guest", "/admin/vhosts", "/admin/vhosts/%2F", "/admin/policies", "/admin/limits", "/admin/definitions", "/admin/nothing",
    ];
    const findings: Record<string, string[]> = {};
    const note = async (what: string): Promise<void> => {
      const found = await look(page);
      if (found.length > 0) findings[what] = found;
    };
    for (const path of pages) {
      await page.goto(house.url + path);
      await expect(page.getByRole("heading", { level: 1 })).toBeVisible();
      await expect(page.locator("[aria-busy=true]")).toHaveCount(0);
      await note(path);
    }
    await page.goto(house.url + "/broker/queues/%2F/orders");
    await page.getByRole("button", { name: "Purge" }).click();
    await note("a dialog");
    await page.keyboard.press("Escape");
    await page.keyboard.press("Control+k");
    await expect(page.getByRole("option").first()).toBeVisible();
    await note("the palette");
    expect(findings).toEqual({});
  });

test("the control: a text that is too pale, a field without a name and an image without words are found", async ({ page, house }) => {
  await signIn(page, house);
  await expect(page.getByRole("heading", { name: "Overview" })).toBeVisible();
  await page.evaluate(() => {
    const bad = document.createElement("div");
    bad.innerHTML = '<p style="color:#bbb;background:#fff">pale</p><input><img src="data:image/gif;base64,R0lGODlhAQABAAAAACw=">';
    document.querySelector("main")!.append(bad);
  });
  const found = (await look(page)).join("\n");
  for (const rule of ["color-contrast", "label", "image-alt"]) expect(found).toContain(rule);
});
