// Runs: found by the one query language, counted by state, acted upon one by one or all that the query finds.
import { signal, useSignal } from "@preact/signals";
import type { JSX } from "preact";
import { useEffect } from "preact/hooks";
import { get, may, post, usePolled } from "../api";
import { duration, many, plural } from "../format";
import { ask, Failure, Finder, Loaded, Page, Panel, shapeOf, State, Table, Time } from "../parts";
import { enc, go, query, setQuery, withQuery } from "../router";
import { askStart } from "./start";
import { is_closed, type Job, type Run } from "./types";

export interface Found { runs: Run[]; next: string | null; totals?: Record<string, number>; totals_are_exact?: boolean }

// --- Views that somebody saved: in this browser ---------------------------------------------------------

const kept = "baton-views";
const views = signal<Record<string, string>>(JSON.parse(localStorage.getItem(kept) ?? "{}") as Record<string, string>);
const keep = (next: Record<string, string>): void => {
  views.value = next;
  localStorage.setItem(kept, JSON.stringify(next));
};
const usual: [string, string][] = [["All", ""], ["Open", "status:open"], ["Failed", "status:failed status:timed_out"], ["Paused", "status:paused"], ["Today", "since:24h"]];

const statuses = ["running", "queued", "paused", "compensating", "failed", "timed_out", "cancelled", "compensated", "completed"];

export function Runs(): JSX.Element {
  const q = query.value.get("q") ?? "";
  const page = usePolled<Found>(() => `/api/runs?totals=true&limit=100&q=${enc(query.value.get("q") ?? "")}${query.value.get("after") ? "&after=" + enc(query.value.get("after")!) : ""}`, 4);
  const chosen = useSignal<Set<string>>(new Set());
  useEffect(() => void (chosen.value = new Set()), [q]);
  const toggle = (id: string): void => {
    const next = new Set(chosen.value);
    if (!next.delete(id)) next.add(id);
    chosen.value = next;
  };
  const totals = page.data.value?.totals ?? {};
  const all = Object.values(totals).reduce((sum, count) => sum + count, 0);
  const isExact = page.data.value?.totals_are_exact !== false;
  const ids = [...chosen.value];
  const wanted = ids.length > 0 ? ids.map((id) => "run:" + id).join(" ") : q;
  const count = ids.length > 0 ? ids.length : all;
  const bulk = (action: string): void => askBulk(action, wanted, count, isExact, ids.length > 0 ? "that you chose" : "that the query finds", page.reload);
  const saveView = (): void => ask({
    title: "Save this view", preview: <p><code>{q || "(all runs)"}</code></p>, fields: [{ name: "name", label: "Name", required: true }], verb: "Save",
    run: async (values) => keep({ ...views.value, [values.name!]: q }),
  });
  return (
    <Page title="Runs" acts={may.operate() ? <button type="button" class="primary" onClick={() => void askStart(page.reload)}>Start a run</button> : null}>
      <nav class="views" aria-label="Views">
        {[...usual, ...Object.entries(views.value)].map(([name, view]) => <a key={name} href={"/runs" + (view ? "?q=" + enc(view) : "")} aria-current={q === view ? "page" : undefined}>{name}</a>)}
        <button type="button" class="quiet" onClick={saveView}>Save view</button>
        {Object.entries(views.value).some(([, view]) => view === q) ? <button type="button" class="quiet" onClick={() => keep(Object.fromEntries(Object.entries(views.value).filter(([, view]) => view !== q)))}>Forget view</button> : null}
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
              {["retry", "pause", "resume", "cancel"].map((action) => <button key={action} type="button" class="quiet" onClick={() => bulk(action)}>{action[0]!.toUpperCase() + action.slice(1)}</button>)}
              {ids.length > 0 ? <button type="button" class="quiet" onClick={() => (chosen.value = new Set())}>None</button> : null}
            </span>
          ) : null}
        </div>
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
                  { title: "Key, labels", show: (one) => <>{one.key ? <span class="tag">{one.key}</span> : null}{Object.entries(one.labels ?? {}).map(([name, value]) => <span key={name} class="tag">{name}={value}</span>)}</>, wide: true },
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

/** The query with this status and no other. */
function facet(q: string, status: string): string {
  return [...q.split(/\s+/).filter((word) => word && !/^status[:=]/.test(word)), "status:" + status].join(" ");
}

/** The job when it has ended, or as it is after some seconds. */
async function endOf(job: Job): Promise<Job> {
  let now = job;
  for (let tries = 0; tries < 20 && now.state === "running"; ++tries) {
    now = await get<Job>("/api/jobs/" + job.id);
    if (now.state === "running") await new Promise((done) => setTimeout(done, 250));
  }
  return now;
}

const needs_reason = new Set(["terminate", "skip", "finish"]);
export function askBulk(action: string, q: string, count: number, isExact: boolean, which: string, after: () => void): void {
  ask({
    title: `${action[0]!.toUpperCase() + action.slice(1)} ${isExact ? "" : "at least "}${plural(count, "run")}`,
    preview: <><p>The runs {which}; none that starts later. The server does it, goes on after a restart, and counts what refuses.</p><p><code>{q.length > 300 ? q.slice(0, 300) + " …" : q || "(all runs)"}</code></p></>,
    fields: [
      { name: "reason", label: "Reason", required: needs_reason.has(action) }, { name: "rate", label: "How fast", value: "10/s", hint: "as 10/s, 30/m" },
      { name: "stop_after", label: "Stop when so many have refused", kind: "number", value: "10" },
    ],
    verb: action[0]!.toUpperCase() + action.slice(1), isDanger: action === "cancel" || action === "terminate", after,
    run: async (values) => {
      // A query has one run; those that are ticked are as many queries, and few.
      const queries = /^run:\S+( run:\S+)+$/.test(q) ? q.split(" ") : [q];
      let done = 0, refused = 0;
      const notes: string[] = [], going: string[] = [];
      for (const one of queries) {
        const job = await post<Job>("/api/jobs", { q: one, action, ...(values.reason ? { reason: values.reason } : {}), ...(values.rate ? { rate: values.rate } : {}), ...(values.stop_after ? { stop_after: Number(values.stop_after) } : {}), key: crypto.randomUUID() });
        const now = await endOf(job);
        done += now.done;
        refused += now.refused;
        if (now.note) notes.push(now.note);
        if (now.state === "running") going.push(String(now.id));
      }
      const all = <a href="/operations">All operations</a>;
      if (going.length > 0) return <>It goes on as operation {going.join(", ")}: {many(done)} done, {many(refused)} refused until now. {all}</>;
      return <>Done: {many(done)} done, {many(refused)} refused{notes.length > 0 ? ` (${notes.join("; ")})` : ""}. {all}</>;
    },
  });
}

export const openRun = (id: string): void => go("/runs/" + id);
export { setQuery };
