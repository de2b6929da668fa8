// The pages that RabbitMQ's users know: everything that can be done to a queue, an exchange, a connection, a user, a
// policy, and the definitions, done by somebody at the page and looked at from outside.
import { readFileSync } from "node:fs";
import { expect, signIn, test, type House } from "./house";
import type { Page } from "@playwright/test";

const dialog = (page: Page) => page.getByRole("dialog");
const queue = (house: House, name: string) => house.api("GET", "/api/queues/%2F/" + name);
async function publish(house: House, name: string, count: number): Promise<void> {
  await house.api("PUT", "/api/queues/%2F/" + name, { durable: true });
  for (let i = 1; i <= count; ++i)
    await house.api("POST", "/api/exchanges/%2F/amq.default/publish", { routing_key: name, payload: `message ${i}`, payload_encoding: "string", properties: { delivery_mode: 2 } });
}

test("a queue is added, published to, looked at without being eaten, and emptied by typing its name", async ({ page, house }) => {
  await signIn(page, house, "/broker/queues");
  await page.getByRole("button", { name: "Add a queue" }).click();
  await dialog(page).getByLabel("Name").fill("orders");
  await dialog(page).getByLabel("Arguments").fill('{"x-max-length": 100}');
  await dialog(page).getByRole("button", { name: "Add" }).click();
  await expect(page.getByRole("heading", { name: "orders", level: 1 })).toBeVisible();
  expect((await queue(house, "orders")).arguments).toEqual({ "x-max-length": 100 });

  await page.getByRole("button", { name: "Publish" }).click();
  await dialog(page).getByLabel("Payload").fill("hello from the page");
  await dialog(page).getByLabel("Headers").fill('{"kind": "test"}');
  await dialog(page).getByRole("button", { name: "Publish" }).click();
  await expect(dialog(page).getByRole("status")).toContainText("at least one queue took it");
  await dialog(page).getByRole("button", { name: "Close" }).click();

  await page.getByRole("button", { name: "Get" }).click();
  await dialog(page).getByRole("button", { name: "Get" }).click();
  await expect(page.getByText("hello from the page")).toBeVisible();
  await expect(page.getByText("kind: ")).toBeVisible();
  await expect.poll(async () => (await queue(house, "orders")).messages_ready, "putting back is what it does unless told").toBe(1);

  await page.getByRole("button", { name: "Purge" }).click();
  const purge = dialog(page).getByRole("button", { name: "Purge" });
  await expect(purge).toBeDisabled();
  await dialog(page).getByLabel("Type orders to confirm").fill("order");
  await expect(purge).toBeDisabled();
  await dialog(page).getByLabel("Type orders to confirm").fill("orders");
  await purge.click();
  await expect(dialog(page).getByRole("status")).toContainText("0 ready now");
  expect((await queue(house, "orders")).messages).toBe(0);
});

test("messages are taken for good only when that is chosen, and moved to another queue", async ({ page, house }) => {
  await publish(house, "from", 5);
  await house.api("PUT", "/api/queues/%2F/to", { durable: true });
  await signIn(page, house, "/broker/queues/%2F/from");
  await page.getByRole("button", { name: "Get" }).click();
  await dialog(page).getByLabel("How many").fill("1");
  await dialog(page).getByLabel("Then").selectOption("acknowledge: they are gone");
  await dialog(page).getByRole("button", { name: "Get" }).click();
  await expect(page.getByText("message 1", { exact: true })).toBeVisible();
  await page.getByRole("button", { name: "Move" }).click();
  await dialog(page).getByLabel("To the queue").fill("to");
  await dialog(page).getByLabel("How many").fill("3");
  await dialog(page).getByRole("button", { name: "Move" }).click();
  await expect(dialog(page).getByRole("status")).toContainText("Moved 3 messages to to; 1 left here");
  expect((await queue(house, "to")).messages_ready).toBe(3);
  expect((await queue(house, "from")).messages_ready).toBe(1);
  const [first] = await house.api("POST", "/api/queues/%2F/to/get", { count: 1, ackmode: "ack_requeue_true", encoding: "auto" });
  expect(first).toMatchObject({ payload: "message 2", properties: { delivery_mode: 2 } });
  await dialog(page).getByRole("button", { name: "Close" }).click();
  await page.getByRole("button", { name: "Move" }).click();
  await dialog(page).getByLabel("To the queue").fill("nowhere");
  await dialog(page).getByRole("button", { name: "Move" }).click();
  await expect(dialog(page).getByRole("alert")).toContainText("nowhere");
  expect((await queue(house, "from")).messages_ready).toBe(1);
});

test("who may not publish is told, also with a session", async ({ page, house }) => {
  await house.api("PUT", "/api/queues/%2F/guarded", { durable: true });
  await house.api("PUT", "/api/permissions/%2F/ben", { configure: "^$", write: "^$", read: ".*" });
  await signIn(page, house, "/broker/queues/%2F/guarded", "ben");
  await page.getByRole("button", { name: "Publish" }).click();
  await dialog(page).getByRole("button", { name: "Publish" }).click();
  await expect(dialog(page).getByRole("alert")).toContainText(/access|refused|not allowed/i);
  expect((await queue(house, "guarded")).messages).toBe(0);
});

test("an exchange is added, bound and unbound, and deleted", async ({ page, house }) => {
  await house.api("PUT", "/api/queues/%2F/eu", { durable: true });
  await signIn(page, house, "/broker/exchanges");
  await page.getByRole("button", { name: "Add an exchange" }).click();
  await dialog(page).getByLabel("Name").fill("events");
  await dialog(page).getByLabel("Type").selectOption("topic");
  await dialog(page).getByRole("button", { name: "Add" }).click();
  await expect(page.getByRole("heading", { name: "events", level: 1 })).toBeVisible();
  await page.getByRole("button", { name: "Bind" }).click();
  await dialog(page).getByLabel("Its name").fill("eu");
  await dialog(page).getByLabel("Routing key").fill("order.#");
  await dialog(page).getByRole("button", { name: "Bind" }).click();
  await expect(page.getByRole("table", { name: "Bindings from the exchange" }).getByText("order.#")).toBeVisible();
  await page.getByRole("button", { name: "Publish" }).click();
  await dialog(page).getByLabel("Routing key").fill("other");
  await dialog(page).getByRole("button", { name: "Publish" }).click();
  await expect(dialog(page).getByRole("status")).toContainText("no queue wanted it");
  await dialog(page).getByRole("button", { name: "Close" }).click();
  await page.getByRole("button", { name: "Unbind events order.# eu" }).click();
  await dialog(page).getByRole("button", { name: "Unbind" }).click();
  await expect(page.getByText("No bindings.")).toBeVisible();
  await page.getByRole("button", { name: "Delete" }).click();
  await dialog(page).getByLabel("Type events to confirm").fill("events");
  await dialog(page).getByRole("button", { name: "Delete" }).click();
  await expect(page).toHaveURL(house.url + "/broker/exchanges");
  await expect(house.api("GET", "/api/exchanges/%2F/events")).rejects.toThrow("404");
});

test("a connection is found, shows its channel and consumer, and is closed with a reason", async ({ page, house }) => {
  const connection = await house.connect("a shop's worker");
  const channel = await connection.createChannel();
  await channel.assertQueue("watched");
  await channel.prefetch(7);
  await channel.consume("watched", () => {}, { consumerTag: "till" });
  // amqplib takes a close by an operator for no error.
  const closed = new Promise<string>((done) => connection.once("close", (error?: Error) => done(error?.message ?? "closed without a reason")));
  await signIn(page, house, "/broker/connections");
  await page.getByRole("link", { name: /a shop's worker/ }).click();
  await expect(page.getByRole("heading", { name: "a shop's worker" })).toBeVisible();
  await page.getByRole("table", { name: "Channels" }).getByRole("link").click();
  await expect(page.getByRole("table", { name: "Consumers" }).getByText("till")).toBeVisible();
  await page.getByRole("table", { name: "Consumers" }).getByRole("link", { name: "watched" }).click();
  await expect(page.getByRole("heading", { name: "watched", level: 1 })).toBeVisible();
  await page.goBack();
  await expect(page.getByRole("heading", { name: / \(1\)$/, level: 1 })).toBeVisible();
  await page.getByRole("main").getByRole("link", { name: /->/ }).last().click();
  await page.getByRole("button", { name: "Close" }).click();
  await dialog(page).getByLabel(/Reason/).fill("the shop moves");
  await dialog(page).getByRole("button", { name: "Close it" }).click();
  expect(await closed).toContain("the shop moves");
  await expect(page).toHaveURL(house.url + "/broker/connections");
});

test("the rates of a queue are drawn, and stand in a table behind the drawing", async ({ page, house }) => {
  await publish(house, "busy", 20);
  await signIn(page, house, "/broker/queues/%2F/busy");
  await expect(page.locator(".plot canvas").first()).toBeVisible();
  await expect(page.getByText("ready", { exact: false }).first()).toBeVisible();
  await page.getByText("Table", { exact: true }).first().click();
  await expect(page.getByRole("region", { name: "The last five minutes, as a table" }).first()).toBeVisible();
});

test("lists are filtered, sorted and cut by the server, and the address keeps the choice", async ({ page, house }) => {
  for (let i = 0; i < 120; ++i) await house.api("PUT", `/api/queues/%2F/many-${String(i).padStart(3, "0")}`, { durable: false });
  await publish(house, "many-full", 1);
  await signIn(page, house, "/broker/queues?name=many-");
  await expect(page.getByText("page 1 of 2")).toBeVisible();
  await page.getByRole("link", { name: "next ›" }).click();
  await expect(page.getByText("page 2 of 2")).toBeVisible();
  await page.getByRole("columnheader", { name: "Ready" }).getByRole("link").click();
  await expect(page.getByRole("columnheader", { name: "Ready" })).toHaveAttribute("aria-sort", "ascending");
  await page.getByRole("columnheader", { name: "Ready" }).getByRole("link").click();
  await expect(page).toHaveURL(/sort=messages_ready&sort_reverse=true/);
  await expect(page.getByRole("table", { name: "Queues" }).locator("tbody tr").first()).toContainText("many-full");
  await page.reload();
  await expect(page.getByRole("table", { name: "Queues" }).locator("tbody tr").first()).toContainText("many-full");
});

test("a user is added, may do what is set, gets another password, and is deleted", async ({ page, house }) => {
  await signIn(page, house, "/admin/users");
  await page.getByRole("button", { name: "Add a user" }).click();
  await dialog(page).getByLabel("Name").fill("mia");
  await dialog(page).getByLabel("Password").fill("first");
  await dialog(page).getByLabel("Tags").fill("monitoring, baton-operator");
  await dialog(page).getByRole("button", { name: "Add" }).click();
  await expect(page.getByRole("heading", { name: "mia" })).toBeVisible();
  await page.getByRole("button", { name: "Set permissions" }).click();
  await dialog(page).getByLabel(/^Write/).fill("^shop\\.");
  await dialog(page).getByRole("button", { name: "Save" }).click();
  await expect(page.getByRole("table", { name: "Permissions", exact: true })).toContainText("^shop\\.");
  expect(await house.api("GET", "/api/permissions/%2F/mia")).toMatchObject({ configure: ".*", write: "^shop\\.", read: ".*" });
  await page.getByRole("button", { name: "Password" }).click();
  await dialog(page).getByLabel("New password").fill("second");
  await dialog(page).getByRole("button", { name: "Change" }).click();
  await expect(dialog(page)).toBeHidden();
  const status = async (password: string): Promise<number> => (await fetch(house.url + "/api/whoami", { headers: { Authorization: "Basic " + btoa("mia:" + password) } })).status;
  expect(await status("second")).toBe(200);
  expect(await status("first")).toBe(401);
  expect(await house.api("GET", "/api/users/mia")).toMatchObject({ tags: ["monitoring", "baton-operator"] });
  await page.getByRole("button", { name: "Delete" }).click();
  await dialog(page).getByLabel("Type mia to confirm").fill("mia");
  await dialog(page).getByRole("button", { name: "Delete" }).click();
  await expect(page).toHaveURL(house.url + "/admin/users");
  await expect(house.api("GET", "/api/users/mia")).rejects.toThrow("404");
});

test("a virtual host, a policy and a limit", async ({ page, house }) => {
  await signIn(page, house, "/admin/vhosts");
  await page.getByRole("button", { name: "Add a virtual host" }).click();
  await dialog(page).getByLabel("Name").fill("shop");
  await dialog(page).getByRole("button", { name: "Add" }).click();
  await expect(page.getByRole("heading", { name: "shop", level: 1 })).toBeVisible();
  await page.goto(house.url + "/admin/policies");
  await page.getByRole("button", { name: "Add a policy" }).click();
  await dialog(page).getByLabel("Virtual host").selectOption("shop");
  await dialog(page).getByLabel("Name", { exact: true }).fill("short");
  await dialog(page).getByLabel("Definition").fill('{"max-length": 5}');
  await dialog(page).getByRole("button", { name: "Save" }).click();
  await expect(page.getByRole("table", { name: "Policies", exact: true })).toContainText("max-length = 5");
  await page.getByRole("button", { name: "Change short" }).click();
  await dialog(page).getByLabel("Definition").fill('{"max-length": }');
  await dialog(page).getByRole("button", { name: "Save" }).click();
  await expect(dialog(page).getByRole("alert")).toContainText("definition:");
  await dialog(page).getByRole("button", { name: "Cancel" }).click();
  await page.goto(house.url + "/admin/limits");
  await page.getByRole("button", { name: "Set a limit" }).first().click();
  await dialog(page).getByLabel("Virtual host").fill("shop");
  await dialog(page).getByLabel("Limit").selectOption("max-queues");
  await dialog(page).getByLabel("Value").fill("3");
  await dialog(page).getByRole("button", { name: "Set" }).click();
  await expect(page.getByRole("table", { name: "Limits of virtual hosts" })).toContainText("max-queues");
  await page.goto(house.url + "/admin/vhosts/shop");
  await page.getByRole("button", { name: "Delete" }).click();
  await dialog(page).getByLabel("Type shop to confirm").fill("shop");
  await dialog(page).getByRole("button", { name: "Delete" }).click();
  await expect(page).toHaveURL(house.url + "/admin/vhosts");
  await expect(house.api("GET", "/api/vhosts/shop")).rejects.toThrow("404");
});

test("definitions go down, and what was deleted comes back up", async ({ page, house }) => {
  await house.api("PUT", "/api/queues/%2F/kept", { durable: true });
  await signIn(page, house, "/admin/definitions");
  const [download] = await Promise.all([page.waitForEvent("download"), page.getByRole("button", { name: "Download definitions" }).click()]);
  const path = (await download.path())!;
  const all = JSON.parse(readFileSync(path, "utf8"));
  expect(all.queues.map((one: { name: string }) => one.name)).toContain("kept");
  await house.api("DELETE", "/api/queues/%2F/kept");
  await page.getByLabel("File of definitions").setInputFiles({ name: "old.json", mimeType: "application/json", buffer: readFileSync(path) });
  await expect(dialog(page)).toContainText(/\d+ queues?/);
  await dialog(page).getByRole("button", { name: "Bring in" }).click();
  await expect(dialog(page).getByRole("status")).toContainText("Brought in");
  expect((await queue(house, "kept")).name).toBe("kept");
});
