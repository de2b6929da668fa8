// What several pages of the broker have in common.
import type { JSX } from "preact";
import { get, post, usePolled } from "../api";
import { asJson, bytes } from "../format";
import { ask, jsonIn, Table, type Values } from "../parts";
import { enc, query, setQuery } from "../router";
import type { Binding, Vhost } from "./types";

export const queuePath = (one: { vhost: string; name: string }): string => `/broker/queues/${enc(one.vhost)}/${enc(one.name)}`;
/** The default exchange has no name; in paths it has RabbitMQ's. */
export const exchangePath = (one: { vhost: string; name: string }): string => `/broker/exchanges/${enc(one.vhost)}/${enc(one.name || "amq.default")}`;
export const exchangeTitle = (name: string): string => name || "(default)";

export function VhostChoice(): JSX.Element | null {
  const vhosts = usePolled<Vhost[]>(() => "/api/vhosts", 30);
  const all = vhosts.data.value ?? [];
  if (all.length < 2) return null;
  const now = query.value.get("vhost") ?? "";
  return (
    <select aria-label="Virtual host" onChange={(event) => setQuery({ vhost: event.currentTarget.value, page: null })}>
      <option value="" selected={now === ""}>all virtual hosts</option>
      {all.map((one) => <option key={one.name} value={one.name} selected={now === one.name}>{one.name}</option>)}
    </select>
  );
}
/** "/api/queues" or "/api/queues/VHOST", as chosen. */
export const inVhost = (list: string): string => {
  const vhost = query.value.get("vhost");
  return `/api/${list}${vhost ? "/" + enc(vhost) : ""}`;
};
export async function vhostNames(): Promise<string[]> {
  return (await get<Vhost[]>("/api/vhosts")).map((one) => one.name);
}

export function Arguments({ of }: { of: Record<string, unknown> | undefined }): JSX.Element {
  const all = Object.entries(of ?? {});
  return all.length === 0 ? <span class="dim">none</span> : <>{all.map(([key, value]) => <span key={key} class="tag">{key} = {typeof value === "object" ? asJson(value) : String(value)}</span>)}</>;
}

export function Features({ of }: { of: { durable?: boolean; auto_delete?: boolean; exclusive?: boolean; internal?: boolean; arguments?: Record<string, unknown>; policy?: string | null } }): JSX.Element {
  const short: Record<string, string> = { "x-dead-letter-exchange": "DLX", "x-dead-letter-routing-key": "DLK", "x-message-ttl": "TTL", "x-expires": "Exp", "x-max-length": "Lim", "x-max-length-bytes": "Lim B", "x-overflow": "Ovfl", "x-max-priority": "Pri", "x-single-active-consumer": "SAC", "x-queue-type": "", "x-delivery-limit": "DL", "alternate-exchange": "AE" };
  return (
    <>
      {of.durable ? <span class="tag" title="durable">D</span> : null}
      {of.auto_delete ? <span class="tag" title="deleted with its last user">AD</span> : null}
      {of.exclusive ? <span class="tag" title="of one connection">Excl</span> : null}
      {of.internal ? <span class="tag" title="only other exchanges publish to it">I</span> : null}
      {Object.entries(of.arguments ?? {}).map(([key, value]) => (short[key] === "" ? null : <span key={key} class="tag" title={`${key} = ${asJson(value)}`}>{short[key] ?? "Args"}</span>))}
      {of.policy ? <span class="tag" title="policy">{of.policy}</span> : null}
    </>
  );
}

export function Bindings({ rows, label, side, onDelete }: { rows: Binding[]; label: string; side: "source" | "destination"; onDelete?: (one: Binding) => void }): JSX.Element {
  return (
    <Table label={label} rows={rows} keyOf={(one) => one.source + one.destination_type + one.destination + one.properties_key} empty="No bindings."
      linkOf={(one) => side === "source" ? (one.source === "" ? undefined : exchangePath({ vhost: one.vhost, name: one.source })) : one.destination_type === "queue" ? queuePath({ vhost: one.vhost, name: one.destination }) : exchangePath({ vhost: one.vhost, name: one.destination })}
      columns={[
        { title: side === "source" ? "From" : "To", show: (one) => (side === "source" ? exchangeTitle(one.source) : one.destination) },
        ...(side === "destination" ? [{ title: "Kind", show: (one: Binding) => one.destination_type }] : []),
        { title: "Routing key", show: (one) => <code>{one.routing_key}</code> },
        { title: "Arguments", show: (one) => <Arguments of={one.arguments} />, wide: true },
        ...(onDelete ? [{ title: "Acts", number: true, show: (one: Binding) => (one.source === "" ? null : <button type="button" class="quiet" aria-label={`Unbind ${one.source} ${one.routing_key} ${one.destination}`} onClick={() => onDelete(one)}>Unbind</button>) }] : []),
      ]} />
  );
}

export function askUnbind(one: Binding, after: () => void, del: (path: string) => Promise<unknown>): void {
  ask({
    title: `Unbind ${one.destination} from ${one.source}`,
    preview: <p>Messages with the key <code>{one.routing_key || "(empty)"}</code> no longer go this way. Nothing that is in the queue is lost.</p>,
    verb: "Unbind", isDanger: true, after,
    run: async () => void (await del(`/api/bindings/${enc(one.vhost)}/e/${enc(one.source)}/${one.destination_type[0]}/${enc(one.destination)}/${enc(one.properties_key)}`)),
  });
}

/** Publishes to an exchange, or to a queue through the default exchange; says whether it went anywhere. */
export function askPublish(vhost: string, exchange: string, routing_key: string, after: () => void): void {
  const isQueue = exchange === "";
  ask({
    title: isQueue ? `Publish to the queue ${routing_key}` : `Publish to ${exchange}`,
    fields: [
      isQueue ? { name: "routing_key", label: "", kind: "hidden", value: routing_key } : { name: "routing_key", label: "Routing key", value: routing_key },
      { name: "payload", label: "Payload", kind: "area" },
      { name: "persistent", label: "Persistent: survives a restart in a durable queue", kind: "check", value: "true" },
      { name: "properties", label: "Properties", kind: "json", hint: <>JSON, as {"{"}"content_type": "application/json"{"}"}</> },
      { name: "headers", label: "Headers", kind: "json", hint: "JSON" },
    ],
    verb: "Publish", after,
    run: async (values: Values) => {
      const properties = { delivery_mode: values.persistent ? 2 : 1, ...(jsonIn(values, "properties") as object | undefined) } as Record<string, unknown>;
      const headers = jsonIn(values, "headers");
      if (headers) properties.headers = headers;
      const told = await post<{ routed: boolean }>(`/api/exchanges/${enc(vhost)}/${enc(exchange || "amq.default")}/publish`, {
        routing_key: values.routing_key ?? "", payload: values.payload ?? "", payload_encoding: "string", properties,
      });
      return told.routed ? "Published: the broker has it, and at least one queue took it." : "Published, but no queue wanted it: the message is gone. Look at the bindings.";
    },
  });
}

export const size = (one: { message_bytes?: number }): string => bytes(one.message_bytes);
