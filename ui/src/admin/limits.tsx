// How many connections, queues and channels a virtual host or a user may have.
import type { JSX } from "preact";
import { del, may, put, usePolled } from "../api";
import { many } from "../format";
import { ask, Loaded, Page, Panel, Table } from "../parts";
import { enc } from "../router";

type Told = { vhost?: string; user?: string; value: Record<string, number> };
type Row = { of: string; limit: string; value: number };

export function Limits(): JSX.Element {
  return (
    <Page title="Limits">
      <List path="/api/vhost-limits" of="vhost" title="Of virtual hosts" limits={["max-connections", "max-queues"]} />
      <List path="/api/user-limits" of="user" title="Of users" limits={["max-connections", "max-channels"]} />
    </Page>
  );
}

function List({ path, of, title, limits }: { path: string; of: "vhost" | "user"; title: string; limits: string[] }): JSX.Element {
  const all = usePolled<Told[]>(() => path, 15);
  const askSet = (): void => ask({
    title: `Set a limit of a ${of === "vhost" ? "virtual host" : "user"}`,
    fields: [{ name: "of", label: of === "vhost" ? "Virtual host" : "User", required: true, value: of === "vhost" ? "/" : "" }, { name: "limit", label: "Limit", kind: "choice", choices: limits, required: true }, { name: "value", label: "Value", kind: "number", required: true, hint: "-1 is none" }],
    verb: "Set", after: all.reload,
    run: async (values) => void (await put(`${path}/${enc(values.of!)}/${values.limit}`, { value: Number(values.value) })),
  });
  const lift = (one: Row): void => ask({
    title: `Lift ${one.limit} of ${one.of}`, verb: "Lift it", after: all.reload, run: async () => void (await del(`${path}/${enc(one.of)}/${one.limit}`)),
  });
  return (
    <Panel title={title} acts={may.administer() ? <button type="button" onClick={askSet}>Set a limit</button> : null}>
      <Loaded from={all}>
        {(found) => {
          const rows = found.flatMap((one) => Object.entries(one.value).map(([limit, value]): Row => ({ of: one[of] ?? "", limit, value })));
          return <Table label={"Limits " + title.toLowerCase()} rows={rows} keyOf={(one) => one.of + " " + one.limit} empty="No limit is set."
            columns={[{ title: of === "vhost" ? "Virtual host" : "User", show: (one) => one.of }, { title: "Limit", show: (one) => one.limit }, { title: "Value", show: (one) => many(one.value), number: true },
              ...(may.administer() ? [{ title: "Acts", number: true, show: (one: Row) => <button type="button" class="quiet" aria-label={`Lift ${one.limit} of ${one.of}`} onClick={() => lift(one)}>Lift</button> }] : [])]} />;
        }}
      </Loaded>
    </Panel>
  );
}
