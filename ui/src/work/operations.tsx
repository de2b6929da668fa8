// Acts on many: over runs that a query found, over dead letters of a cause. The server does them, and says how far it is.
import type { JSX } from "preact";
import { may, post, usePolled } from "../api";
import { many } from "../format";
import { ask, Loaded, Page, Panel, State, Table, Time } from "../parts";
import type { DeadJob, Job } from "./types";

interface Row { key: string; path: string; what: string; which: string; state: string; actor: string; total: string; done: number; refused: number; failures: number | null; note: string | null; at: string }

export function Operations(): JSX.Element {
  const runs = usePolled<Job[]>(() => "/api/jobs?limit=100", 2);
  const dead = usePolled<DeadJob[]>(() => "/api/dead/jobs?limit=100", 2);
  const reload = (): void => (runs.reload(), dead.reload());
  const stop = (row: Row): void => ask({ title: `Stop ${row.what}`, preview: <p>What was done stays done; nothing more is.</p>, verb: "Stop", isDanger: true, after: reload, run: async () => void (await post(row.path + "/cancel")) });
  return (
    <Page title="Operations">
      <Panel>
        <Loaded from={runs}>
          {(found) => {
            const rows: Row[] = [
              ...found.map((one): Row => ({ key: "r" + one.id, path: "/api/jobs/" + one.id, what: `${one.action} runs`, which: one.q || "all", state: one.state, actor: one.actor, total: (one.total_is_exact ? "" : "≥ ") + many(one.total), done: one.done, refused: one.refused, failures: null, note: one.note, at: one.at })),
              ...(dead.data.value ?? []).map((one): Row => ({ key: "d" + one.job, path: "/api/dead/jobs/" + one.job, what: `${one.action} dead letters`, which: JSON.stringify(one.filter), state: one.state, actor: one.actor, total: many(one.total), done: one.done, refused: one.refused, failures: one.failures, note: one.note, at: one.at })),
            ].sort((one, other) => other.at.localeCompare(one.at));
            return (
              <Table label="Operations" rows={rows} keyOf={(one) => one.key} empty="Nothing was done to many yet."
                columns={[
                  { title: "What", show: (one) => one.what }, { title: "Which", show: (one) => <code>{one.which}</code>, wide: true }, { title: "State", show: (one) => <State of={one.state} /> },
                  { title: "Done", show: (one) => `${many(one.done)} of ${one.total}`, number: true }, { title: "Refused", show: (one) => many(one.refused), number: true }, { title: "Failed again", show: (one) => (one.failures === null ? "" : many(one.failures)), number: true, wide: true },
                  { title: "By", show: (one) => one.actor, wide: true }, { title: "Note", show: (one) => one.note ?? "", wide: true }, { title: "Began", show: (one) => <Time at={one.at} />, number: true },
                  { title: "Acts", number: true, show: (one) => (one.state === "running" && may.operate() ? <button type="button" class="quiet" onClick={() => stop(one)}>Stop</button> : null) },
                ]} />
            );
          }}
        </Loaded>
      </Panel>
    </Page>
  );
}
