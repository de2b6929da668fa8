// A shop with everything on it: orders that were shipped, that failed for two causes, that wait for a word and for a
// worker, and a queue with messages and a consumer.
import type { House } from "./house";

export const order = `workflow = "order"
description = "Reserve, charge, ask the owner where it is urgent, ship."
[input]
order = { type = "integer", required = true, description = "its number" }
email = { type = "string", format = "email", required = true, index = true }
express = { type = "boolean", default = false }
[[step]]
id = "reserve"
task = "stock.reserve"
with = { order = "\${input.order}" }
[[step]]
id = "charge"
task = "billing.charge"
with = { order = "\${input.order}", card = { number = "4711-\${input.order}", holder = "Customer \${input.order}" }, region = "EU" }
retry = { max_attempts = 2, initial_interval = "10ms" }
[[step]]
id = "owner"
when = "input.express"
approval = { title = "Ship order \${input.order} today?", by = ["guest"], form = { days = { type = "integer", default = 1 } } }
[[step]]
id = "ship"
task = "parcel.ship"
with = { order = "\${input.order}" }
[output]
order = "\${input.order}"
`;

export interface Furnished { failed: string; waiting: string; cause: string; connection: string; channel: string }

/** Cards are declined for every fifth order, billing is out of reach for every seventh. */
export const charge = (task: { with: Record<string, unknown> }): unknown => {
  const number = task.with.order as number;
  if (number % 5 === 0) throw { type: "card_declined", detail: `the card of order ${number} was declined`, retryable: false };
  if (number % 7 === 0) throw { type: "unavailable", detail: "billing does not answer" };
  return { paid: true };
};

export async function furnish(house: House, orders = 24): Promise<Furnished> {
  await house.deploy(order);
  await house.deploy(order.replace("where it is urgent", "where it is express"));
  await house.worker("shop-1", { "stock.reserve": () => ({ shelf: "A4" }), "billing.charge": charge });
  const runs = new Map<number, string>();
  for (let number = 1; number <= orders; ++number) runs.set(number, await house.run("order", { order: number, email: `customer${number}@example.org`, express: number % 4 === 0 }, `order-${number}`));
  const failed = runs.get(5)!, waiting = runs.get(4)!;
  await house.untilRun(failed, "failed");
  await house.untilRun(runs.get(21) ?? failed, "failed");
  await house.api("PUT", "/api/queues/%2F/orders", { durable: true });
  await house.api("POST", "/api/bindings/%2F/e/amq.topic/q/orders", { routing_key: "order.#" });
  const channel = await (await house.connect("till 7")).createChannel();
  await channel.consume("orders", () => {}, { consumerTag: "till" });
  for (let i = 0; i < 5; ++i) channel.publish("amq.topic", "order.new", Buffer.from(`{"order": ${i}}`), { persistent: true, contentType: "application/json" });
  const groups = await house.api<{ group: string; error_type: string }[]>("GET", "/api/dead/groups");
  const connections = await house.api<{ name: string; user_provided_name?: string }[]>("GET", "/api/connections");
  const connection = connections.find((one) => one.user_provided_name === "till 7")!.name;
  return { failed, waiting, cause: groups.find((one) => one.error_type === "card_declined")!.group, connection, channel: `${connection} (1)` };
}
