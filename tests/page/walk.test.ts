// The walk of docs/page.md: what it tells of is there, on a shop's server. With BATON_UPDATE_PAGE=1 a picture of each is
// written to docs/page; each picture that the document shows is one of these.
import { mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, root, signIn, test } from "./house";
import { furnish } from "./shop";

test("the walk of docs/page.md", async ({ page, house }) => {
  test.setTimeout(600_000);
  const pictures = join(root, "docs/page");
  const { failed, waiting, cause } = await furnish(house, 40);
  const shown: string[] = [];
  const show = async (name: string, path: string, sees: string | RegExp, scheme: "light" | "dark" = "light", width = 1000, height = 620): Promise<void> => {
    shown.push(name + ".png");
    await page.setViewportSize({ width, height });
    await page.emulateMedia({ colorScheme: scheme, reducedMotion: "reduce" });
    await page.goto(house.url + path);
    await expect(page.getByRole("main")).toContainText(sees);
    await expect(page.locator("[aria-busy=true]")).toHaveCount(0);
    if (!process.env.BATON_UPDATE_PAGE) return;
    mkdirSync(pictures, { recursive: true });
    await page.waitForTimeout(1500); // charts are drawn
    await page.screenshot({ path: join(pictures, name + ".png") });
  };
  await signIn(page, house);
  await show("overview", "/", "Why things fail now");
  await show("runs", "/runs", /failed\s+\d+/);
  await show("run", `/runs/${failed}`, "it gave up: card_declined");
  await show("step", `/runs/${failed}?step=charge`, "card_declined");
  await show("approval", `/runs/${waiting}`, "it asks guest", "light", 360, 640);
  await show("dead", "/dead", "card_declined");
  await show("cause", `/dead/${cause}`, "Letters of this cause", "dark");
  await show("broker", "/broker", "Messages per second", "dark");
  await show("queue", "/broker/queues/%2F/orders", "Messages per second");
  await show("users", "/admin/users", "administrator");
  await show("editor", "/edit/new", "What is wrong");

  const named = [...readFileSync(join(root, "docs/page.md"), "utf8").matchAll(/\(page\/([a-z]+\.png)\)/g)].map((found) => found[1]!);
  expect(shown).toEqual(expect.arrayContaining(named));
});
