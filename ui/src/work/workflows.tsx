// Workflows: what is deployed, its versions, its graph, its runs; started by a form, let pause, deployed anew.
import { useSignal } from "@preact/signals";
import type { JSX } from "preact";
import { useEffect } from "preact/hooks";
import { del, get, may, post, usePolled } from "../api";
import { many } from "../format";
import { sumOf } from "../overview";
import type { Props } from "../pages";
import { ListPage } from "../lists";
import { ask, Figure, Loaded, Page, Panel, State, tabNow, Table, Tabs, Time } from "../parts";
import { enc, go, query, withQuery } from "../router";
import { GraphView } from "./graph";
import { askStart, type WorkflowTold } from "./start";
import type { Graph, Pause } from "./types";

interface Version { name: string; version: number; live: boolean; file: string; created_at: string }
type Count = { workflow: string; status: string; count: number };
const failed = ["failed", "timed_out"], open = ["running", "queued", "paused", "compensating"];

export function Workflows(): JSX.Element {
  const all = usePolled<Version[]>(() => "/api/workflows", 10);
  const counts = usePolled<Count[]>(() => "/api/counts", 10, { topics: ["runs"] });
  const pauses = usePolled<Pause[]>(() => "/api/pauses", 10);
  const of = (name: string, statuses: string[]): number => sumOf((counts.data.value ?? []).filter((one) => one.workflow === name), ...statuses);
  return (
    <ListPage title="Workflows" finder="Name contains" textOf={(one) => one.name} from={all} acts={may.deploy() ? <a class="button primary" href="/edit/new">New workflow</a> : null}
      keyOf={(one) => one.name} linkOf={(one) => "/workflows/" + enc(one.name)} empty="No workflow is deployed: baton deploy FILE, or New workflow."
      columns={[
        { title: "Name", show: (one) => one.name }, { title: "Version", show: (one) => one.version, number: true },
        { title: "State", show: (one) => { const pause = pauses.data.value?.find((each) => each.workflow === one.name); return pause ? <State of="paused" word={`paused by ${pause.actor}`} /> : <State of="ok" word="live" />; } },
        { title: "Open", show: (one) => many(of(one.name, open)), number: true }, { title: "Failed", show: (one) => many(of(one.name, failed)), number: true }, { title: "Completed", show: (one) => many(of(one.name, ["completed"])), number: true, wide: true },
        { title: "Deployed", show: (one) => <Time at={one.created_at} />, number: true, wide: true },
      ]} />
  );
}

export function Workflow({ at }: Props): JSX.Element {
  const name = at.name!;
  const versions = usePolled<Version[]>(() => "/api/workflows?name=" + enc(name), 10);
  const counts = usePolled<Count[]>(() => "/api/counts", 5, { topics: ["runs"] });
  const pauses = usePolled<Pause[]>(() => "/api/pauses", 5);
  const told = usePolled<WorkflowTold>(() => `/baton/v1/workflows/${enc(name)}`, 0);
  const graph = usePolled<Graph>(() => `/baton/v1/workflows/${enc(name)}/graph${query.value.get("version") ? "?version=" + query.value.get("version") : ""}`, 0);
  const pause = pauses.data.value?.find((one) => one.workflow === name);
  const mine = (counts.data.value ?? []).filter((one) => one.workflow === name);
  const reload = (): void => (versions.reload(), pauses.reload(), counts.reload(), told.reload(), graph.reload());
  const askPause = (): void => ask({
    title: `${pause ? "Resume" : "Pause"} ${name}`,
    preview: pause ? <p>What was held is handed out, and runs that wait begin.</p> : <p>Nothing of its runs is handed to workers; runs that are started wait. Their time limits run on.</p>,
    fields: [{ name: "reason", label: "Reason" }], verb: pause ? "Resume" : "Pause", after: reload,
    run: async (values) => void (await post(`/api/workflows/${enc(name)}/${pause ? "resume" : "pause"}`, values.reason ? { reason: values.reason } : {})),
  });
  const askUndeploy = (): void => ask({
    title: `Undeploy ${name}`, preview: <p>Nothing starts it any more; its {many(sumOf(mine, ...open))} open runs go on.</p>, typed: name, verb: "Undeploy", isDanger: true,
    run: async () => {
      await del("/api/workflows/" + enc(name));
      go("/workflows");
    },
  });
  return (
    <Loaded from={versions}>
      {(found) => (
        <Page title={name} of={<a href="/workflows">Workflows</a>} state={pause ? <State of="paused" word={`paused by ${pause.actor}${pause.reason ? ": " + pause.reason : ""}`} /> : found.some((one) => one.live) ? <State of="ok" word={`v${found.find((one) => one.live)!.version} is live`} /> : <State of="stopped" word="not live" />}
          acts={<>
            {may.operate() ? <button type="button" class="primary" onClick={() => void askStart(reload, name)}>Start a run</button> : null}
            {may.operate() ? <button type="button" onClick={askPause}>{pause ? "Resume" : "Pause"}</button> : null}
            {told.data.value?.source ? <a class="button" href={"/edit/" + enc(name)}>{may.deploy() ? "Edit" : "Source"}</a> : null}
            {may.deploy() ? <button type="button" onClick={askUndeploy}>Undeploy</button> : null}
          </>}>
          {told.data.value?.description ? <p class="sentence">{told.data.value.description}</p> : null}
          <div class="figures">
            <Figure label="open" value={many(sumOf(mine, ...open))} to={`/runs?q=workflow:${enc(name)} status:open`} kind="busy" />
            <Figure label="failed" value={many(sumOf(mine, ...failed))} to={`/runs?q=workflow:${enc(name)} status:failed status:timed_out`} kind={sumOf(mine, ...failed) ? "bad" : ""} />
            <Figure label="completed" value={many(sumOf(mine, "completed"))} to={`/runs?q=workflow:${enc(name)} status:completed`} />
            <Figure label="cancelled, undone" value={many(sumOf(mine, "cancelled", "compensated"))} to={`/runs?q=workflow:${enc(name)} status:cancelled status:compensated`} />
          </div>
          <Tabs of={[["graph", "Graph"], ["versions", "Versions", found.length], ["source", "Source"], ["diff", "Differences"]]} />
          {tabNow("graph") === "graph" ? <Panel>{graph.data.value ? <GraphView graph={graph.data.value} /> : <p class="empty">This server draws no graphs.</p>}</Panel> : null}
          {tabNow("graph") === "versions" ? (
            <Panel>
              <Table label="Versions" rows={found} keyOf={(one) => String(one.version)} empty="None." linkOf={(one) => withQuery({ tab: null, version: one.version })}
                columns={[{ title: "Version", show: (one) => "v" + one.version }, { title: "State", show: (one) => (one.live ? <State of="ok" word="live" /> : "") }, { title: "File", show: (one) => one.file, wide: true }, { title: "Deployed", show: (one) => <Time at={one.created_at} />, number: true },
                  { title: "Acts", number: true, show: (one) => (one.live || !may.deploy() ? null : <button type="button" class="quiet" aria-label={`Back to version ${one.version}`} onClick={() => askRollback(name, one.version, reload)}>Back to this</button>) }]} />
            </Panel>
          ) : null}
          {tabNow("graph") === "source" ? <Panel>{told.data.value?.source ? <pre class="source">{told.data.value.source}</pre> : <p class="empty">This server shows no sources.</p>}</Panel> : null}
          {tabNow("graph") === "diff" ? <Diff name={name} versions={found} /> : null}
        </Page>
      )}
    </Loaded>
  );
}

function askRollback(name: string, version: number, after: () => void): void {
  ask({
    title: `Go back to version ${version} of ${name}`, preview: <p>Runs that start from now on are of it; runs that go on keep the version they began with.</p>, verb: `Back to version ${version}`, after,
    run: async () => {
      const done = await post<{ version: number }>(`/baton/v1/workflows/${enc(name)}/rollback`, { version });
      return `Done: version ${done.version ?? version} is live.`;
    },
  });
}

interface DiffLine { op: " " | "-" | "+"; a: number | null; b: number | null; text: string }
function Diff({ name, versions }: { name: string; versions: Version[] }): JSX.Element {
  const to = query.value.get("to") ?? String(versions[0]?.version ?? 1);
  const from = query.value.get("from") ?? String(versions[1]?.version ?? to);
  const lines = useSignal<DiffLine[] | null>(null);
  const failure = useSignal("");
  useEffect(() => {
    get<{ lines: DiffLine[] }>(`/baton/v1/workflows/${enc(name)}/diff?from=${from}&to=${to}`).then((told) => (lines.value = told.lines), (error: Error) => (failure.value = error.message));
  }, [from, to]);
  const choice = (label: string, key: string, value: string): JSX.Element => (
    <label>{label} <select aria-label={`${label} version`} onChange={(event) => go(withQuery({ [key]: event.currentTarget.value }), true)}>{versions.map((one) => <option key={one.version} value={one.version} selected={String(one.version) === value}>v{one.version}</option>)}</select></label>
  );
  return (
    <Panel>
      <p class="finder">{choice("From", "from", from)} {choice("to", "to", to)}</p>
      {failure.value ? <p class="empty">{failure.value}</p> : <pre class="diff">{lines.value?.map((line, i) => <span key={i} class={line.op === "+" ? "plus" : line.op === "-" ? "minus" : ""}>{line.op} {line.text}{"\n"}</span>)}</pre>}
    </Panel>
  );
}
