// RabbitMQ's page has its paths behind "#": its links and bookmarks lead to ours. Pure.

/** Where a thing is shown here, and how many parts name it: a queue by its virtual host and its name. */
const places: Record<string, [path: string, parts: number]> = {
  connections: ["/broker/connections", 1], channels: ["/broker/channels", 1], exchanges: ["/broker/exchanges", 2], queues: ["/broker/queues", 2],
  users: ["/admin/users", 1], vhosts: ["/admin/vhosts", 1], policies: ["/admin/policies", 0], "operator-policies": ["/admin/policies", 0], limits: ["/admin/limits", 0],
};

/** null: it is no link of RabbitMQ's. What has no page here, as its nodes, leads to the broker. */
export function pathOfRabbit(hash: string): string | null {
  if (!hash.startsWith("#/")) return null;
  const [first, ...rest] = hash.slice(2).split("?")[0]!.split("/").filter((part) => part !== "");
  const [path, parts] = places[first ?? ""] ?? ["/broker", 0];
  return [path, ...(rest.length >= parts ? rest.slice(0, parts) : [])].join("/");
}
