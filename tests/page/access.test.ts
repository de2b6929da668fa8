// What waits, what somebody saved, and what opens the API: waits, saved queries, tokens, sessions, audit.
import { expect, signIn, test } from "./house";
import type { Page } from "@playwright/test";

const dialog = (page: Page) => page.getByRole("dialog");

test("waits: each kind is told in words, a signal is sent from here, and the wait goes", async ({ page, house }) => {
  await house.deploy(`workflow = "waits"
[[step]]
id = "paid"
signal = "paid"
[[step]]
id = "bill"
after = []
event = { type = "invoice.paid", match = { "data.order" = "7" } }
[[step]]
id = "owner"
after = []
approval = { title = "Ship it?", by = ["guest"] }
[[step]]
id = "nap"
after = []
wait = "2h"
[[step]]
id = "either"
after = []
first_of = { yes = { signal = "yes" }, late = { wait = "2d" }, boss = { approval = { title = "Or you?", by = ["guest"] } } }
`);
  const run = await house.run("waits");
  await signIn(page, house, "/waits");
  const waits = page.getByRole("table", { name: "Waits" });
  for (const text of ["the signal paid", /an event invoice\.paid/, "guest: Ship it?", "the signal yes or", "a time"]) await expect(waits.locator("tbody tr", { hasText: text }).first()).toBeVisible();
  await page.getByRole("link", { name: "Signals" }).click();
  await expect(waits.locator("tbody tr")).toHaveCount(1);
  await page.getByRole("button", { name: `Send paid to ${run}` }).click();
  await dialog(page).getByRole("button", { name: "Send" }).click();
  await expect(dialog(page).getByRole("status")).toContainText("Done");
  await dialog(page).getByRole("button", { name: "Close" }).click();
  await expect(page.getByText("No run waits for anything from outside.")).toBeVisible();
  const told = await house.api("GET", "/api/runs/" + run);
  expect(told.steps.find((one: { step: string }) => one.step === "paid").status).toBe("done");
  // One of several ways that asks people is an approval as any other.
  const asked = await house.api("GET", "/baton/v1/approvals?mine=true");
  expect(asked.items.map((one: { step: string }) => one.step).sort()).toEqual(["either", "owner"]);
  await expect(house.api("GET", "/baton/v1/waits?kind=dream")).rejects.toThrow("400");
});

test("saved queries: kept, counted, changed, forgotten, and the same in another tab", async ({ page, house, context }) => {
  await house.deploy(`workflow = "kept"\n[[step]]\nid = "only"\ntask = "kept.nobody"\n`);
  for (let i = 0; i < 3; ++i) await house.run("kept", {}, `kept-${i}`);
  await signIn(page, house, "/runs?q=workflow:kept");
  await page.getByRole("button", { name: "Save view" }).click();
  await dialog(page).getByLabel("Name").fill("Three");
  await dialog(page).getByRole("button", { name: "Save" }).click();
  const other = await context.newPage();
  await other.goto(house.url + "/views");
  const row = other.getByRole("table", { name: "Saved queries" }).locator("tbody tr");
  await expect(row).toContainText(/Three.*workflow:kept.*3/);
  await other.getByRole("button", { name: "Change Three" }).click();
  await dialog(other).getByLabel("Name").fill("None of them");
  await dialog(other).getByLabel("Query").fill("workflow:kept status:completed");
  await dialog(other).getByRole("button", { name: "Save" }).click();
  await expect(row).toContainText(/None of them.*0/);
  await expect(page.getByRole("link", { name: "None of them" }), "another tab hears of it").toBeVisible();
  await other.getByRole("link", { name: "None of them" }).click();
  await expect(other).toHaveURL(/q=workflow%3Akept/);
  await expect(other.getByText("No run fits the query.")).toBeVisible();
  await other.goto(house.url + "/views");
  await other.getByRole("button", { name: "Forget None of them" }).click();
  await expect(other.getByText(/^None: Runs, a query/)).toBeVisible();
});

test("tokens: shown once, good for what their role may, and gone when they are ended", async ({ page, house }) => {
  await signIn(page, house, "/admin/tokens");
  await page.getByRole("button", { name: "Make a token" }).click();
  await dialog(page).getByLabel("What it is for").fill("the shop's deploys");
  await dialog(page).getByLabel("Role").selectOption("viewer");
  await dialog(page).getByRole("button", { name: "Make" }).click();
  const token = await dialog(page).locator("code.token").innerText();
  expect(token).toMatch(/^bt_/);
  const ask = (method: string, path: string) => fetch(house.url + path, { method, headers: { Authorization: "Bearer " + token, "Content-Type": "application/json" }, ...(method === "POST" ? { body: "{}" } : {}) });
  expect((await ask("GET", "/baton/v1/runs")).status).toBe(200);
  expect((await ask("POST", "/baton/v1/runs")).status, "a viewer starts nothing").toBe(403);
  await dialog(page).getByRole("button", { name: "Close" }).click();
  const row = page.getByRole("table", { name: "Tokens" }).locator("tbody tr", { hasText: "the shop's deploys" });
  await expect(row).toContainText("viewer");
  expect(await page.content(), "nobody can read it again").not.toContain(token);
  await page.getByRole("button", { name: "End the token the shop's deploys" }).click();
  await dialog(page).getByRole("button", { name: "End it" }).click();
  await expect(row).toHaveCount(0);
  expect((await ask("GET", "/baton/v1/runs")).status).toBe(401);
});

test("sessions: a browser that was left open is signed out from here, by whoever may", async ({ page, house, browser }) => {
  const left = await browser.newContext();
  const forgotten = await left.newPage();
  await signIn(forgotten, house, "/runs", "vera");
  await expect(forgotten.getByRole("heading", { name: "Runs", level: 1 })).toBeVisible();
  // Who may not administer sees his own alone.
  await forgotten.goto(house.url + "/admin/sessions");
  const own = forgotten.getByRole("table", { name: "Sessions" }).locator("tbody tr");
  await expect(own).toHaveCount(1);
  await expect(own).toContainText("this one");
  await expect(forgotten.getByRole("link", { name: "Of all users" })).toHaveCount(0);
  await signIn(page, house, "/admin/sessions");
  await page.getByRole("link", { name: "Of all users" }).click();
  const vera = page.getByRole("table", { name: "Sessions" }).locator("tbody tr", { hasText: "vera" });
  await expect(vera).toContainText("127.0.0.1");
  await vera.getByRole("button").click();
  await dialog(page).getByRole("button", { name: "End it" }).click();
  await expect(vera).toHaveCount(0);
  await forgotten.reload();
  await expect(forgotten.getByRole("button", { name: "Sign in" })).toBeVisible();
  await left.close();
});

test("audit: who did what, and who was refused, filtered by a click", async ({ page, house }) => {
  await house.deploy(`workflow = "audited"\n[[step]]\nid = "only"\ntask = "audited.nobody"\n`);
  const run = await house.run("audited");
  await house.api("POST", `/api/runs/${run}/cancel`, {});
  const refused = await fetch(`${house.url}/api/runs/${run}/retry`, { method: "POST", headers: { Authorization: "Basic " + btoa("vera:vera"), "Content-Type": "application/json" }, body: "{}" });
  expect([401, 403]).toContain(refused.status);
  await signIn(page, house, "/admin/audit");
  const rows = page.getByRole("table", { name: "Audit" }).locator("tbody tr");
  await expect(rows.filter({ hasText: "vera" }).first()).toContainText("refused");
  await page.getByRole("table", { name: "Audit" }).getByRole("link", { name: "vera" }).first().click();
  await expect(page).toHaveURL(/actor=vera/);
  await expect(rows.filter({ hasText: "guest" })).toHaveCount(0);
  await page.getByRole("link", { name: "all", exact: true }).click();
  await page.getByRole("searchbox").fill(run);
  await expect(rows, "an act that was done, one that was refused").toHaveCount(2);
  await expect(rows.filter({ hasText: "guest" })).toContainText("done");
  await expect(rows.filter({ hasText: "vera" })).toContainText("refused");
});
