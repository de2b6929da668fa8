// Policies: what many queues and exchanges are told at once. Those of operators bound what the others may.
import type { JSX } from "preact";
import { del, may, put, usePolled } from "../api";
import { Arguments, vhostNames } from "../broker/shared";
import { asJson } from "../format";
import { ask, jsonIn, Loaded, Page, Panel, Table } from "../parts";
import { enc } from "../router";

interface Told { vhost: string; name: string; pattern: string; "apply-to": string; definition: Record<string, unknown>; priority: number }

export function Policies(): JSX.Element {
  return (
    <Page title="Policies">
      <List kind="policies" title="Policies" what="policy" may={may.policies()} />
      <List kind="operator-policies" title="Policies of operators" what="operator's policy" may={may.administer()} />
    </Page>
  );
}

function List({ kind, title, what, may: mayChange }: { kind: string; title: string; what: string; may: boolean }): JSX.Element {
  const all = usePolled<Told[]>(() => "/api/" + kind, 15);
  const edit = async (one?: Told): Promise<void> => ask({
    title: one ? `Change the ${what} ${one.name}` : `Add a ${what}`,
    preview: <p>Of all that fit a queue, the one with the highest priority counts.</p>,
    fields: [
      ...(one ? [{ name: "vhost", label: "", kind: "hidden" as const, value: one.vhost }, { name: "name", label: "", kind: "hidden" as const, value: one.name }]
        : [{ name: "vhost", label: "Virtual host", kind: "choice" as const, choices: await vhostNames(), required: true }, { name: "name", label: "Name", required: true }]),
      { name: "pattern", label: "Pattern: a regular expression over names", value: one?.pattern ?? "^", required: true },
      { name: "apply-to", label: "Applies to", kind: "choice", choices: kind === "policies" ? ["all", "queues", "exchanges"] : ["queues", "all"], value: one?.["apply-to"] ?? "queues", required: true },
      { name: "priority", label: "Priority", kind: "number", value: String(one?.priority ?? 0), required: true },
      { name: "definition", label: "Definition", kind: "json", value: one ? asJson(one.definition) : "{\n  \"max-length\": 100000\n}", required: true, hint: <>JSON: message-ttl, max-length, max-length-bytes, overflow, expires, dead-letter-exchange, dead-letter-routing-key, delivery-limit, alternate-exchange</> },
    ],
    verb: "Save", after: all.reload,
    run: async (values) => void (await put(`/api/${kind}/${enc(values.vhost!)}/${enc(values.name!)}`, { pattern: values.pattern, "apply-to": values["apply-to"], priority: Number(values.priority), definition: jsonIn(values, "definition") })),
  });
  const remove = (one: Told): void => ask({
    title: `Delete the ${what} ${one.name}`, preview: <p>What it applied to goes back to its own arguments, or to the next policy that fits.</p>, typed: one.name, verb: "Delete", isDanger: true, after: all.reload,
    run: async () => void (await del(`/api/${kind}/${enc(one.vhost)}/${enc(one.name)}`)),
  });
  return (
    <Panel title={title} acts={mayChange ? <button type="button" onClick={() => void edit()}>Add a {what}</button> : null}>
      <Loaded from={all}>
        {(found) => (
          <Table label={title} rows={found} keyOf={(one) => one.vhost + " " + one.name} empty="None."
            columns={[
              { title: "Name", show: (one) => one.name }, { title: "Host", show: (one) => one.vhost, wide: true }, { title: "Pattern", show: (one) => <code>{one.pattern}</code> },
              { title: "Applies to", show: (one) => one["apply-to"], wide: true }, { title: "Definition", show: (one) => <Arguments of={one.definition} /> }, { title: "Priority", show: (one) => one.priority, number: true },
              ...(mayChange ? [{ title: "Acts", number: true, show: (one: Told) => <><button type="button" class="quiet" aria-label={`Change ${one.name}`} onClick={() => void edit(one)}>Change</button><button type="button" class="quiet" aria-label={`Delete ${one.name}`} onClick={() => remove(one)}>Delete</button></> }] : []),
            ]} />
        )}
      </Loaded>
    </Panel>
  );
}
