// Runs: found by the one query language, counted by state, acted upon one by one or all that the query finds.
import { useSignal } from "@preact/signals";
import type { JSX } from "preact";
import { useEffect } from "preact/hooks";
import { get, may, post, usePolled } from "../api";
import { duration, many, plural } from "../format";
import { ask, Failure, Finder, Loaded, Page, Panel, shapeOf, State, Table, Time } from "../parts";
import { enc, query, withQuery } from "../router";
import { forgetView, loadViews, saveView, views } from "./saved";
import { labelled, quoted } from "./labels";
import { askStart } from "./start";
import { is_closed, type Operation, type Run } from "./types";

interface Found { runs: Run[]; next: string | null; totals?: Record<string, number>; totals_are_exact?: boolean }

const usual: [string, string][] = [["All", ""], ["Open", "status:open"], ["Failed", "status:failed status:timed_out"], ["Paused", "status:paused"], ["Today", "since:24h"]];

const statuses = ["running", "queued", "paused", "compensating", "failed", "timed_out", "cancelled", "compensated", "completed"];

export function Runs(): JSX.Element {
  const q = query.value.get("q") ?? "";
  const page = usePolled<Found>(() => `/api/runs?totals=true&limit=100&q=${enc(query.value.get("q") ?? "")}${query.value.get("after") ? "&after=" + enc(query.value.get("after")!) : ""}`, 4, { topics: ["runs"] });
  // Another browser may have saved one.
  useEffect(() => void loadViews().catch(() => null), []);
  const chosen = useSignal<Set<string>>(new Set());
  // Nobody acts upon what he does not see.
  useEffect(() => void (chosen.value = new Set()), [q, query.value.get("after")]);
  const toggle = (id: string): void => {
    const next = new Set(chosen.value);
    if (!next.delete(id)) next.add(id);
    chosen.value = next;
  };
  const totals = page.data.value?.totals ?? {};
  const all = Object.values(totals).reduce((sum, count) => sum + count, 0);
  const isExact = page.data.value?.totals_are_exact !== false;
  const ids = [...chosen.value];
  const wanted = ids.length > 0 ? "run:" + ids.join(",") : q;
  const count = ids.length > 0 ? ids.length : all;
  const failure = useSignal<unknown>(null);
  const bulk = (action: string): void => void askBulk(action, wanted, ids.length > 0 ? "that you chose" : "that the query finds", page.reload).then(() => (failure.value = null), (error: unknown) => (failure.value = error));
  const askSave = (): void => ask({
    title: "Save this view", preview: <p><code>{q || "(all runs)"}</code></p>, fields: [{ name: "name", label: "Name", required: true }], verb: "Save",
    run: async (values) => saveView(values.name!, q),
  });
  return (
    <Page title="Runs" acts={may.operate() ? <button type="button" class="primary" onClick={() => void askStart(page.reload)}>Start a run</button> : null}>
      <nav class="views" aria-label="Views">
        {[...usual, ...Object.entries(views.value)].map(([name, view]) => <a key={name} href={"/runs" + (view ? "?q=" + enc(view) : "")} aria-current={q === view ? "page" : undefined}>{name}</a>)}
        <button type="button" class="quiet" onClick={askSave}>Save view</button>
        {Object.entries(views.value).filter(([, view]) => view === q).map(([name]) => <button key={name} type="button" class="quiet" onClick={() => void forgetView(name).catch((error: unknown) => (failure.value = error))}>Forget view</button>)}
        {Object.keys(views.value).length > 0 ? <a href="/views">Saved queries</a> : null}
      </nav>
      <Panel>
        <Finder label="Query, as status:failed workflow:provision-* since:2h label.team=ops" name="q" />
        <div class="facets">
          {statuses.filter((status) => totals[status]).map((status) => (
            <a key={status} class={`state ${shapeOf(status)[1]}`} href={withQuery({ q: facet(q, status), after: null })}>
              <span aria-hidden="true">{shapeOf(status)[0]}</span> {status.replace("_", " ")} <b>{many(totals[status])}</b>
            </a>
          ))}
          <span class="grow" />
          {may.operate() && count > 0 ? (
            <span class="bulk">
              <span class="dim">{ids.length > 0 ? `${many(ids.length)} chosen:` : `all ${isExact ? "" : "at least "}${many(all)}:`}</span>
              {["retry", "pause", "resume", "cancel"].map((action) => <button key={action} type="button" class="quiet" onClick={() => bulk(action)}>{capital(action)}</button>)}
              {ids.length > 0 ? <button type="button" class="quiet" onClick={() => (chosen.value = new Set())}>None</button> : null}
            </span>
          ) : null}
        </div>
        <Failure of={failure.value} />
        <Loaded from={page}>
          {(found) => (
            <>
              <Table label="Runs" rows={found.runs} keyOf={(one) => one.id} linkOf={(one) => "/runs/" + one.id} empty={q ? "No run fits the query." : "Nothing has run yet."}
                chosen={may.operate() ? { has: (key) => chosen.value.has(key), toggle } : undefined}
                columns={[
                  { title: "Run", show: (one) => <code>{one.id.slice(0, 18)}</code> },
                  { title: "Workflow", show: (one) => <>{one.workflow} <small>v{one.version}</small></> },
                  { title: "State", show: (one) => <State of={one.status} /> },
                  { title: "Error", show: (one) => (one.error ? <span title={one.error}>{one.error_type ?? ""} {one.error.slice(0, 120)}</span> : null), wide: true },
                  { title: "Key, labels", show: (one) => <>{one.key ? <a class="tag" href={withQuery({ q: narrowed(q, `key:${quoted(one.key)}`), after: null })}>{one.key}</a> : null}{Object.entries(one.labels ?? {}).map(([name, value]) => <a key={name} class="tag" href={withQuery({ q: narrowed(q, labelled(name, value)), after: null })}>{name}={value}</a>)}</>, wide: true },
                  { title: "Took", show: (one) => duration(((one.closed_at ? new Date(one.closed_at).getTime() : Date.now()) - new Date(one.started_at).getTime()) / 1000) + (is_closed(one) ? "" : " so far"), number: true, wide: true },
                  { title: "Started", show: (one) => <Time at={one.started_at} />, number: true },
                ]} />
              <p class="pager">
                <span>{isExact ? "" : "at least "}{plural(all, "run")}</span>
                {query.value.get("after") ? <a href={withQuery({ after: null })}>‹ newest</a> : null}
                {found.next ? <a href={withQuery({ after: found.next })} rel="next">older ›</a> : null}
              </p>
            </>
          )}
        </Loaded>
        {page.error.value?.word === "bad_query" ? <Failure of="docs/operating.md has the fields; the palette and the facets write queries for you." /> : null}
      </Panel>
    </Page>
  );
}

/** The query with a further condition. */
function narrowed(q: string, condition: string): string {
  return q.includes(condition) ? q : [q.trim(), condition].filter(Boolean).join(" ");
}

/** The query with this status and no other. */
function facet(q: string, status: string): string {
  return [...q.split(/\s+/).filter((word) => word && !/^status[:=]/.test(word)), "status:" + status].join(" ");
}

/** The operation when it has ended, or as it is after some seconds. */
async function endOf(operation: Operation): Promise<Operation> {
  let now = operation;
  for (let tries = 0; tries < 20 && now.state === "running"; ++tries) {
    now = await get<Operation>("/baton/v1/operations/" + operation.id);
    if (now.state === "running") await new Promise((done) => setTimeout(done, 250));
  }
  return now;
}

interface Trial { count: number; count_is_exact: boolean; samples: Run[] }
const capital = (word: string): string => word[0]!.toUpperCase() + word.slice(1);

/** The server counts what it would be done to, and shows some of it, before anybody says yes. */
async function askBulk(action: string, q: string, which: string, after: () => void): Promise<void> {
  const wish = { kind: "runs", q, action };
  const trial = await post<Trial>("/baton/v1/operations", { ...wish, dry_run: true });
  const verb = capital(action);
  ask({
    title: `${verb} ${trial.count_is_exact ? "" : "at least "}${plural(trial.count, "run")}`,
    preview: (
      <>
        <p>The runs {which}; none that starts later. The server does it, goes on after a restart, and counts what refuses.</p>
        <p><code>{q.length > 300 ? q.slice(0, 300) + " …" : q || "(all runs)"}</code></p>
        <details>
          <summary>{trial.samples.length < trial.count ? `The first ${many(trial.samples.length)}` : "Which"}</summary>
          <ul>{trial.samples.map((one) => <li key={one.id}><code>{one.id.slice(0, 18)}</code> {one.workflow} <State of={one.status} /></li>)}</ul>
        </details>
      </>
    ),
    fields: [
      { name: "reason", label: "Reason" }, { name: "rate", label: "How fast", value: "10/s", hint: "as 10/s, 30/m" },
      { name: "stop_after", label: "Stop when so many have refused", kind: "number", value: "10" },
    ],
    verb, isDanger: action === "cancel", after,
    run: async (values) => {
      const started = await post<Operation>("/baton/v1/operations", { ...wish, ...(values.reason ? { reason: values.reason } : {}), ...(values.rate ? { rate: values.rate } : {}), ...(values.stop_after ? { stop_after: Number(values.stop_after) } : {}) });
      const now = await endOf(started);
      const all = <a href="/operations">All operations</a>;
      if (now.state === "running") return <>It goes on as operation {now.id}: {many(now.done)} done, {many(now.refused)} refused until now. {all}</>;
      return <>Done: {many(now.done)} done, {many(now.refused)} refused{now.note ? ` (${now.note})` : ""}. {all}</>;
    },
  });
}
