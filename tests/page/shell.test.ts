// The frame of the page: sign-in, paths, palette, keys, colours, narrow screens, RabbitMQ's links, and what is sent.
import { expect, signIn, test } from "./house";

test("a link survives the sign-in, and a wrong password is told", async ({ page, house }) => {
  await page.goto(house.url + "/broker/queues?name=orders");
  await page.getByLabel("User").fill("guest");
  await page.getByLabel("Password").fill("wrong");
  await page.keyboard.press("Enter");
  await expect(page.getByRole("alert")).toContainText("user or password is wrong");
  await page.getByLabel("Password").fill("guest");
  await page.keyboard.press("Enter");
  await expect(page.getByRole("heading", { name: "Queues", level: 1 })).toBeVisible();
  await expect(page).toHaveURL(/\/broker\/queues\?name=orders$/);
  await page.reload();
  await expect(page.getByRole("heading", { name: "Queues", level: 1 })).toBeVisible();
});

test("signing out ends the session, also for what the browser remembers", async ({ page, house }) => {
  await signIn(page, house, "/broker");
  const cookies = await page.context().cookies();
  expect(cookies.every((cookie) => cookie.httpOnly && cookie.sameSite === "Strict")).toBe(true);
  expect(await page.evaluate(() => JSON.stringify(localStorage) + JSON.stringify(sessionStorage))).not.toContain("guest");
  await page.getByRole("button", { name: "Sign out" }).click();
  await expect(page.getByRole("button", { name: "Sign in" })).toBeVisible();
  await page.context().addCookies(cookies);
  await page.reload();
  await expect(page.getByRole("button", { name: "Sign in" })).toBeVisible();
});

for (const [link, path, heading] of [
  ["/#/queues/%2F/my%20queue", "/broker/queues/%2F/my%20queue", "my queue"],
  ["/#/queues", "/broker/queues", "Queues"],
  ["/#/exchanges/%2F/amq.topic", "/broker/exchanges/%2F/amq.topic", "amq.topic"],
  ["/#/", "/broker", "Broker"],
  ["/#/users", "/admin/users", "Users"],
  ["/#/users/guest", "/admin/users/guest", "guest"],
  ["/#/vhosts/%2F", "/admin/vhosts/%2F", "/"],
  ["/#/policies/%2F/short", "/admin/policies", "Policies"],
] as const)
  test(`RabbitMQ's link ${link} leads to ${path}`, async ({ page, house }) => {
    await house.api("PUT", "/api/queues/%2F/my%20queue", { durable: true });
    await signIn(page, house, link);
    await expect(page).toHaveURL(house.url + path);
    await expect(page.getByRole("heading", { name: heading, level: 1 })).toBeVisible();
  });

test("the palette leads to pages, queues and runs by keys alone", async ({ page, house }) => {
  await house.api("PUT", "/api/queues/%2F/palette-queue", { durable: true });
  await signIn(page, house);
  await page.keyboard.press("Control+k");
  const field = page.getByRole("combobox", { name: "Search or go to" });
  await expect(field).toBeFocused();
  await page.keyboard.type("palette-q");
  await expect(page.getByRole("option", { name: /palette-queue/ }).first()).toBeVisible();
  await page.keyboard.press("Enter");
  await expect(page.getByRole("heading", { name: "palette-queue" })).toBeVisible();
  await page.keyboard.press("Control+k");
  await page.keyboard.press("Escape");
  await expect(field).toBeHidden();
  await page.keyboard.press("Control+k");
  await page.keyboard.type("exch");
  await expect(page.getByRole("option").first()).toContainText("Exchanges");
  await page.keyboard.press("Enter");
  await expect(page).toHaveURL(house.url + "/broker/exchanges");
});

test("keys: g and a letter, rows, search, help", async ({ page, house }) => {
  await signIn(page, house);
  await page.keyboard.press("g");
  await page.keyboard.press("e");
  await expect(page).toHaveURL(house.url + "/broker/exchanges");
  await expect(page.getByRole("link", { name: "amq.direct" })).toBeVisible();
  await page.keyboard.press("/");
  await page.keyboard.type("amq.topic");
  await expect(page).toHaveURL(house.url + "/broker/exchanges?name=amq.topic");
  await expect(page.getByRole("link", { name: "amq.direct" })).toBeHidden();
  await page.getByRole("heading", { level: 1 }).click();
  await page.keyboard.press("j");
  await expect(page.getByRole("link", { name: "amq.topic" })).toBeFocused();
  await page.keyboard.press("Enter");
  await expect(page).toHaveURL(house.url + "/broker/exchanges/%2F/amq.topic");
  await page.goBack();
  await expect(page.getByRole("searchbox")).toHaveValue("amq.topic");
  await page.getByRole("heading", { level: 1 }).click();
  await page.keyboard.press("?");
  await expect(page.getByRole("dialog", { name: "Keys" })).toBeVisible();
  await page.keyboard.press("Escape");
  await expect(page.getByRole("dialog", { name: "Keys" })).toBeHidden();
});

test("colours follow the system until somebody chooses, and the choice stays", async ({ page, house }) => {
  const back = (): Promise<string> => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  await page.emulateMedia({ colorScheme: "light" });
  await signIn(page, house);
  const light = await back();
  await page.emulateMedia({ colorScheme: "dark" });
  const dark = await back();
  expect(dark).not.toBe(light);
  await page.getByRole("button", { name: /^Colours/ }).click();
  expect(await back()).toBe(light);
  await page.reload();
  await expect(page.getByRole("heading", { name: "Overview" })).toBeVisible();
  expect(await back()).toBe(light);
});

test("on a narrow screen the pages are behind a button and nothing is cut off", async ({ page, house }) => {
  await page.setViewportSize({ width: 360, height: 740 });
  await signIn(page, house, "/broker/queues");
  await expect(page.getByRole("navigation", { name: "Pages" })).toBeHidden();
  await page.getByRole("button", { name: "Pages" }).click();
  await page.getByRole("navigation", { name: "Pages" }).getByRole("link", { name: "Exchanges" }).click();
  await expect(page).toHaveURL(house.url + "/broker/exchanges");
  await expect(page.getByRole("link", { name: "amq.direct" })).toBeVisible();
  const wider = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
  expect(wider).toBe(0);
});

test("who may only look is offered no more, and who has no rights with runs sees the broker alone", async ({ page, house }) => {
  await signIn(page, house, "/", "vera");
  const pages = page.getByRole("navigation", { name: "Pages" });
  await expect(pages.getByRole("link", { name: "Runs" })).toBeVisible();
  await expect(pages.getByRole("link", { name: "Users" })).toBeHidden();
  await page.getByRole("button", { name: "Sign out" }).click();
  await signIn(page, house, "/", "ben");
  await expect(pages.getByRole("link", { name: "Queues" })).toBeVisible();
  await expect(pages.getByRole("link", { name: "Runs" })).toBeHidden();
});

test("what is sent: policy, caching, packed or plain, and nothing for strangers' paths", async ({ house }) => {
  const index = await fetch(house.url + "/runs/anything?q=1");
  expect(index.status).toBe(200);
  expect(index.headers.get("content-type")).toBe("text/html; charset=utf-8");
  expect(index.headers.get("cache-control")).toBe("no-cache");
  expect(index.headers.get("content-security-policy")).toContain("default-src 'none'; script-src 'self'");
  expect(index.headers.get("content-security-policy")).toContain("frame-ancestors 'none'");
  const text = await index.text();
  const script = /src="(\/assets\/[^"]+\.js)"/.exec(text)![1]!;
  const packed = await fetch(house.url + script, { headers: { "Accept-Encoding": "gzip" } });
  expect(packed.headers.get("content-encoding")).toBe("gzip");
  expect(packed.headers.get("cache-control")).toContain("immutable");
  const plain = await fetch(house.url + script, { headers: { "Accept-Encoding": "identity" } });
  expect(plain.headers.get("content-encoding")).toBeNull();
  expect(await plain.text()).toBe(await packed.text());
  const tag = index.headers.get("etag")!;
  expect((await fetch(house.url + "/", { headers: { "If-None-Match": tag } })).status).toBe(304);
  expect((await fetch(house.url + "/assets/none.js")).status).toBe(404);
  expect((await fetch(house.url + "/wp-login.php")).status).toBe(404);
  expect((await fetch(house.url + "/assets/../../etc/passwd")).status).toBe(404);
  expect((await fetch(house.url + "/", { method: "POST" })).status).toBe(405);
});

test("the server goes away and comes back, and the page says so", async ({ page, house }) => {
  await signIn(page, house, "/broker");
  await expect(page.getByRole("heading", { name: "Broker", level: 1 })).toBeVisible();
  await page.route("**/api/**", (route) => route.abort());
  await expect(page.getByText("The server does not answer. What you see is what it said last.")).toBeVisible();
  await expect(page.getByRole("heading", { name: "Broker", level: 1 })).toBeVisible();
  await page.unroute("**/api/**");
  await expect(page.getByText("The server does not answer. What you see")).toBeHidden();
});
