// One run: why it is where it is, its graph and time line, what went in and out, what was tried, what happened, and what
// can be done. It follows the run by the stream of what happens.
import { useSignal } from "@preact/signals";
import type { ComponentChildren, JSX } from "preact";
import { useMemo } from "preact/hooks";
import { freshId, get, may, post, usePolled } from "../api";
import { asJson, duration, localTime, many, plural } from "../format";
import type { Props } from "../pages";
import { ask, clock, CopyButton, Data, Facts, Finder, jsonIn, Loaded, Page, Panel, State, tabNow, Table, Tabs, Time, type Act } from "../parts";
import { enc, query, setQuery, withQuery } from "../router";
import { fieldsOf, valuesOf, type Schema } from "../schema";
import { GraphView } from "./graph";
import { labelled } from "./labels";
import { Logs } from "./logs";
import { askStart } from "./start";
import { TimeLine } from "./timeline";
import { is_closed, problemText, type Entry, type Graph, type Step, type WholeRun } from "./types";
import { sentenceOf, shownAs, stateOf, untilWord, type Reason, type Why } from "./why";

export function Run({ at }: Props): JSX.Element {
  const id = at.run!;
  const topics = id.length === 36 ? ["run:" + id] : [];
  // News of a version that is shown already is none; so nothing goes back.
  const run = usePolled<WholeRun>(() => "/api/runs/" + enc(id), 3, { topics, pause: 250, isNews: (news, shown) => !(Number(news.data.seq) <= shown.seq) });
  const path = (what: string): string | null => (run.data.value ? `/baton/v1/runs/${run.data.value.id}/${what}` : null);
  const graph = usePolled<Graph>(() => path("graph"), 0);
  // Asked again for each version of the run, and meanwhile because of what is beside it: workers, limits, the broker.
  const why = usePolled<Why>(() => path("why"), 3);
  return <Loaded from={run}>{(told) => <Whole run={told} graph={graph.data.value} reasons={why.data.value?.reasons} reload={run.reload} />}</Loaded>;
}

function Whole({ run, graph, reasons, reload }: { run: WholeRun; graph: Graph | undefined; reasons: Reason[] | undefined; reload: () => void }): JSX.Element {
  const [state, word] = stateOf(run, reasons ?? []);
  const chosen = run.steps.find((step) => nameOf(step) === query.value.get("step"));
  const choose = (path: string): void => setQuery({ step: path, tab: null });
  const errors = run.steps.reduce((sum, step) => sum + step.attempts.filter((attempt) => attempt.outcome === "failed").length, 0);
  const statuses = useMemo(() => statusesOf(run.steps), [run.steps]);
  return (
    <Page title={<><span>{run.workflow}</span> <code class="id">{run.id}</code></>}
      of={<><a href="/runs">Runs</a> / <a href={"/workflows/" + enc(run.workflow)}>{run.workflow} v{run.version}</a></>}
      state={<><CopyButton text={run.id} label="Copy id" /><State of={state} word={word} /></>} acts={<Acts run={run} reload={reload} />}>
      <section class="why" aria-label="Why">
        <h2>Why</h2>
        {reasons ? <ul>{reasons.slice(0, 8).map((reason, i) => <WhyLine key={i} reason={reason} run={run} reload={reload} />)}</ul> : <p class="dim loading" aria-busy="true">Loading …</p>}
        {reasons && reasons.length > 8 ? <p class="dim">and {plural(reasons.length - 8, "reason")} more</p> : null}
      </section>
      <Facts of={[
        ["started", <Time key="s" at={run.started_at} />], [is_closed(run) ? "took" : "so far", <Lasted key="l" run={run} />],
        ["by", run.requests.find((one) => one.fact === "run_started")?.actor ?? ""], ["key", run.key], ["labels", Object.keys(run.labels ?? {}).length === 0 ? "" : <>{Object.entries(run.labels ?? {}).map(([name, value]) => <a key={name} class="tag" href={"/runs?q=" + enc(labelled(name, value))}>{name}={value}</a>)}</>],
      ]} />
      <div class="run-view">
        {graph ? <Panel title="Graph"><GraphView graph={graph} statusOf={(path) => statuses.get(path) ?? "waiting"} chosen={chosen?.step} choose={choose} /></Panel> : null}
        <Panel title="Time line"><TimeLine run={run} chosen={query.value.get("step") ?? ""} /></Panel>
      </div>
      {chosen ? <StepPanel run={run} step={chosen} reload={reload} /> : null}
      <Tabs of={[["data", "Data"], ["steps", "Steps", run.steps.length], ["attempts", "Attempts", errors || undefined], ["logs", "Logs"], ["history", "History"], ["acts", "Acts", run.requests.length], ["related", "Related"]]} />
      <Tab run={run} />
    </Page>
  );
}

function Lasted({ run }: { run: WholeRun }): JSX.Element {
  return <>{duration(((run.closed_at ? new Date(run.closed_at).getTime() : clock.value) - new Date(run.started_at).getTime()) / 1000)}</>;
}

const nameOf = (step: { step: string; undo: boolean }): string => step.step + (step.undo ? ":undo" : "");

/** What the graph shows of each box: of a repeated step the worst of its instances. */
function statusesOf(steps: Step[]): Map<string, string> {
  const order = ["dead", "failed", "backing_off", "held", "dispatched", "deferred", "running", "sleeping", "done", "skipped", "cancelled", "blocked", "waiting"];
  const worst = new Map<string, string>();
  for (const step of steps) {
    if (step.undo) continue;
    const path = step.step.replaceAll(/\[[^\]]*\]/g, "");
    const known = worst.get(path);
    if (known === undefined || order.indexOf(step.status) < order.indexOf(known)) worst.set(path, step.status);
  }
  return worst;
}

function WhyLine({ reason, run, reload }: { reason: Reason; run: WholeRun; reload: () => void }): JSX.Element {
  const name = reason.step === null ? null : nameOf({ step: reason.step, undo: reason.undo });
  const task = reason.task && ["no_consumer", "unrouted", "task_held", "task_paused", "limit_full", "rate_limited"].includes(reason.code) ? <a class="button" href={"/tasks/" + enc(reason.task)}>Task {reason.task}</a> : null;
  return (
    <li>
      <State of={shownAs(reason, run.status)} word="" />
      <span>
        {name ? <><a href={withQuery({ step: name })}>{reason.undo ? "the undo of " : ""}{reason.step}</a>: </> : null}{sentenceOf(reason)}
        {reason.since ? <small> since <Time at={reason.since} since /></small> : null}
        {reason.until ? <small>, {untilWord(reason.code)} <Time at={reason.until} /></small> : null}
      </span>
      {reason.code === "dead_letter" ? <a class="button" href={"/dead?run=" + run.id}>Dead letter</a> : null}
      {task}
      {helpOf(reason, run, reload)}
    </li>
  );
}

/** What the server says would help, asked for by a dialog that has the words for it. */
function helpOf(reason: Reason, run: WholeRun, reload: () => void): ComponentChildren {
  const step = run.steps.find((one) => one.step === reason.step && one.undo === reason.undo);
  if (reason.code === "approval" && step) {
    const decide = (approves: boolean): void => void formOf(run.id, step.step).then((form) => askDecision(run, step, form, approves, reload));
    return <><button type="button" onClick={() => decide(true)}>Approve</button><button type="button" onClick={() => decide(false)}>Reject</button></>;
  }
  if (!may.operate()) return null;
  if (reason.code === "signal" && step?.waits_for) return <button type="button" onClick={() => askSignal(run, step.waits_for!.signal ?? "", reload)}>Send the signal</button>;
  const act = reason.act;
  return act ? <button type="button" onClick={() => askHelp(run, act, reload)}>{act.label}</button> : null;
}

// --- Acts ---------------------------------------------------------------------------------------------

interface RunAct { title: string; preview: ComponentChildren; verb: string; isDanger?: boolean; needsReason?: boolean; isReasonless?: boolean; body?: Record<string, unknown>; fields?: Act["fields"]; bodyOf?: (values: Record<string, string>) => Record<string, unknown> }
const retry: RunAct = { title: "Retry", preview: <p>The run goes on where it failed: steps that gave up get a new series of attempts. What is done stays done.</p>, verb: "Retry", isReasonless: true };
const resume: RunAct = { title: "Resume", preview: <p>What was kept from beginning begins now.</p>, verb: "Resume" };

interface Preview { allowed: boolean; detail: string | null; before: string; after: string; sends: { step: string; undo: boolean; task: string }[] }

/** Asks for one act on the run, with the server's own preview where it gives one, and tells what became of it. */
function askAct(run: WholeRun, name: string, act: RunAct, after: () => void): void {
  const show = (preview: Preview | null): void => ask({
    title: `${act.title}: ${run.workflow}`,
    preview: <>{act.preview}{preview ? <PreviewView of={preview} /> : null}</>,
    fields: [...(act.fields ?? []), ...(act.isReasonless ? [] : [{ name: "reason", label: "Reason, for the history", required: act.needsReason ?? false }])],
    verb: act.verb, isDanger: act.isDanger ?? false, after,
    run: async (values) => {
      const body = { ...act.body, ...act.bodyOf?.(values), ...(values.reason ? { reason: values.reason } : {}) };
      await post(`/api/runs/${run.id}/${name}`, body);
      return toldAfter(run);
    },
  });
  if (act.bodyOf) return show(null);
  post<Preview>(`/baton/v1/runs/${run.id}/${name}?dry_run=true`, act.needsReason ? { ...act.body, reason: "preview" } : (act.body ?? {})).then(show, () => show(null));
}

/** An act that the server names itself, on the run or on what holds it. */
function askHelp(run: WholeRun, act: NonNullable<Reason["act"]>, after: () => void): void {
  const isOnRun = act.path.startsWith("/baton/v1/runs/") && !act.path.includes("/steps/");
  const show = (preview: Preview | null): void => ask({
    title: `${act.label}: ${run.workflow}`, preview: preview ? <PreviewView of={preview} /> : null,
    fields: act.path.endsWith("/resume") ? [{ name: "reason", label: "Reason, for the history" }] : [], verb: act.label, after,
    run: async (values) => {
      await post(act.path, { ...act.body, ...(values.reason ? { reason: values.reason } : {}) });
      return toldAfter(run);
    },
  });
  if (!isOnRun) return show(null);
  post<Preview>(act.path + "?dry_run=true", act.body).then(show, () => show(null));
}

async function toldAfter(run: WholeRun): Promise<ComponentChildren> {
  const now = await get<WholeRun>("/api/runs/" + run.id);
  return <>Done. The run was {run.status.replace("_", " ")} and is {now.status.replace("_", " ")}{changes(run, now)}</>;
}

function changes(before: WholeRun, after: WholeRun): string {
  const old = new Map(before.steps.map((step) => [nameOf(step), step.status]));
  const all = after.steps.filter((step) => old.get(nameOf(step)) !== step.status).map((step) => `${nameOf(step)} ${old.get(nameOf(step)) ?? "new"} → ${step.status}`);
  return all.length === 0 ? "." : ": " + all.slice(0, 6).join(", ") + (all.length > 6 ? `, and ${all.length - 6} more.` : ".");
}

function PreviewView({ of }: { of: Preview }): JSX.Element {
  if (!of.allowed) return <p class="failure">It would be refused: {of.detail}</p>;
  return (
    <ul>
      <li>The run: {of.before} → {of.after}</li>
      {of.sends.slice(0, 10).map((one) => <li key={nameOf(one)}>sent to workers: {one.task} for {nameOf(one)}</li>)}
    </ul>
  );
}

function Acts({ run, reload }: { run: WholeRun; reload: () => void }): JSX.Element | null {
  if (!may.operate()) return null;
  const open = !is_closed(run);
  const button = (title: string, act: () => void): JSX.Element => <button key={title} type="button" onClick={act}>{title}</button>;
  const can = {
    retry: ["failed", "timed_out", "paused"].includes(run.status) && !run.pause,
    pause: open && !run.pause && run.status !== "queued" && run.status !== "paused", resume: run.pause !== null, cancel: open,
  };
  return (
    <>
      {can.retry ? button("Retry", () => askAct(run, "retry", retry, reload)) : null}
      {can.resume ? button("Resume", () => askAct(run, "resume", resume, reload)) : null}
      {can.pause ? button("Pause", () => askAct(run, "pause", { title: "Pause", preview: <p>Nothing new begins; what is with workers is awaited. The time limits of the run stand still.</p>, verb: "Pause" }, reload)) : null}
      {open ? button("Signal", () => askSignal(run, "", reload)) : null}
      {can.cancel ? button("Cancel", () => askAct(run, "cancel", { title: "Cancel", preview: <p>The run ends. What was done is undone where the workflow says so: {plural(run.steps.filter((step) => step.status === "done" && step.task && !step.undo).length, "step")} are done.</p>, verb: "Cancel the run", isDanger: true }, reload)) : null}
      {open ? button("Terminate", () => askAct(run, "terminate", { title: "Terminate", preview: <p>It ends at once as cancelled. Workers are told to stop, <b>nothing is undone</b>, also not what takes effect late.</p>, verb: "Terminate", isDanger: true, needsReason: true }, reload)) : null}
      {!open ? button("Start again", () => void askStart(reload, run.workflow, run.input)) : null}
    </>
  );
}

export function askSignal(run: { id: string; workflow: string }, name: string, after: () => void): void {
  ask({
    title: `Send a signal: ${run.workflow}`, preview: <p>A step that waits for it goes on; sent before, it is kept for the step.</p>,
    fields: [{ name: "name", label: "Signal", value: name, required: true }, { name: "data", label: "Data", kind: "json", hint: "JSON" }], verb: "Send", after,
    run: async (values) => {
      await post(`/api/runs/${run.id}/signal`, { name: values.name, id: freshId(), ...(values.data ? { data: jsonIn(values, "data") } : {}) });
      const now = await get<WholeRun>("/api/runs/" + run.id);
      return <>Done. The run is {now.status.replace("_", " ")}.</>;
    },
  });
}

/** What an approval asks to fill in; null: nothing but a yes; undefined: it is not among the first that wait. */
async function formOf(run: string, step: string): Promise<Schema | null | undefined> {
  const asked = await get<{ items: { run: string; step: string; form: Schema | null }[] }>("/baton/v1/approvals?limit=200");
  return asked.items.find((one) => one.run === run && one.step === step)?.form;
}

export function askDecision(run: { id: string; workflow: string; status: string }, step: { step: string; waits_for?: Step["waits_for"] }, schema: Schema | null | undefined, approves: boolean, after: () => void): void {
  const approval = step.waits_for?.approval;
  const form = approves ? schema : null;
  ask({
    title: (approves ? "Approve: " : "Reject: ") + (approval?.title ?? step.step),
    preview: <p>For the run <a href={"/runs/" + run.id}>{run.workflow}</a>, step {step.step}. It is decided under your name.</p>,
    fields: [
      ...(form ? fieldsOf(form) : []),
      ...(form === undefined ? [{ name: "form", label: "Form", kind: "json" as const, hint: "JSON, where the step asks for more than a yes" }] : []),
      { name: "comment", label: "Comment" },
    ],
    verb: approves ? "Approve" : "Reject", isDanger: !approves, after,
    run: async (values) => {
      await post(`/api/runs/${run.id}/${approves ? "approve" : "reject"}`, { step: step.step, ...(form ? { form: valuesOf(form, values) } : values.form ? { form: jsonIn(values, "form") } : {}), ...(values.comment ? { comment: values.comment } : {}) });
      const now = await get<WholeRun>("/api/runs/" + run.id);
      return <>{approves ? "Approved" : "Rejected"}. The run is {now.status}; the step is {now.steps.find((one) => one.step === step.step)?.status ?? "done"}.</>;
    },
  });
}

// --- One step -----------------------------------------------------------------------------------------

function StepPanel({ run, step, reload }: { run: WholeRun; step: Step; reload: () => void }): JSX.Element {
  const canHand = !["done", "skipped"].includes(step.status) && !step.undo && may.operate();
  const letter = run.dead_letters.find((one) => one.step === step.step && one.state === "open");
  const act = (name: string, given: RunAct): void => askAct(run, name, { ...given, body: { step: nameOf(step), ...given.body } }, reload);
  return (
    <Panel id="step" title={<>Step {nameOf(step)} <State of={step.status} /></>} acts={
      <div class="acts">
        {letter && may.operate() ? <a class="button" href={"/dead/" + enc(letter.group)}>Cause</a> : null}
        {canHand ? <button type="button" onClick={() => act("skip", { title: `Skip ${step.step}`, preview: <p>The step is passed over, as if its own condition had said no. Steps behind it become ready.</p>, verb: "Skip", needsReason: true })}>Skip</button> : null}
        {canHand ? <button type="button" onClick={() => act("set-output", { title: `Set the result of ${step.step}`, preview: <p>It was done by hand: this is what a worker would have answered. Other steps read it, and it is undone like a worker's.</p>, verb: "Set the result", needsReason: true,
          fields: [{ name: "output", label: "Result", kind: "json", value: "{}", required: true }], bodyOf: (values) => ({ step: step.step, output: jsonIn(values, "output") }) })}>Set result</button> : null}
        {canHand && step.task ? <button type="button" onClick={() => act("edit-input", { title: `Edit the input of ${step.step}`, preview: <p>All later attempts are given this.</p>, verb: "Save", needsReason: true,
          fields: [{ name: "with", label: "Input", kind: "json", value: asJson(step.input ?? {}), required: true }], bodyOf: (values) => ({ step: nameOf(step), with: jsonIn(values, "with") }) })}>Edit input</button> : null}
        {is_closed(run) && !step.undo && may.operate() ? <button type="button" onClick={() => act("rerun", { title: `Run again from ${step.step}`, preview: <p>The step and all that follow it begin again with new idempotency keys: effects may be repeated. What they did the first time stays done.</p>, verb: "Run again", isDanger: true, needsReason: true })}>Run again from here</button> : null}
        <a class="button" href={withQuery({ step: null })} aria-label="Close the step">Close</a>
      </div>}>
      <Facts of={[["task", step.task ? <a key="t" href={"/tasks/" + enc(step.task)}>{step.task}</a> : ""], ["reason", step.reason], ["error", problemText(step.error)], ["caught", step.caught ? "yes" : ""], ["until", step.until ? <Time key="u" at={step.until} /> : ""], ["items", step.items], ["started", step.started_at ? <Time key="s" at={step.started_at} /> : ""]]} />
      <div class="two">
        <div><h3>Input</h3><Data of={step.input} label="Input of the step" /></div>
        <div><h3>Output</h3><Data of={step.output} label="Output of the step" /></div>
      </div>
      {step.attempts.length ? <><h3>Attempts</h3><AttemptTable rows={step.attempts.map((attempt) => ({ step, attempt }))} isOfOne /></> : null}
    </Panel>
  );
}

type AttemptRow = { step: Step; attempt: Step["attempts"][number] };
function AttemptTable({ rows, isOfOne = false }: { rows: AttemptRow[]; isOfOne?: boolean }): JSX.Element {
  return (
    <Table label="Attempts" rows={rows} keyOf={(one) => nameOf(one.step) + one.attempt.attempt + one.attempt.dispatched_at} empty="Nothing was handed to workers yet."
      columns={[
        ...(isOfOne ? [] : [{ title: "Step", show: (one: AttemptRow) => <a href={withQuery({ step: nameOf(one.step), tab: null })}>{nameOf(one.step)}</a> }]),
        { title: "Attempt", show: (one) => (one.attempt.verify ? "a look" : `${one.attempt.attempt} of ${one.attempt.max_attempts}`), number: true },
        { title: "Outcome", show: (one) => <State of={one.attempt.outcome ?? "running"} word={one.attempt.verify === "done" ? "took effect" : one.attempt.verify === "not_done" ? "took no effect" : one.attempt.outcome ?? "under way"} /> },
        { title: "Worker", show: (one) => one.attempt.worker ?? "", wide: true },
        { title: "Error", show: (one) => problemText(one.attempt.error) },
        { title: "Sent", show: (one) => <Time at={one.attempt.dispatched_at} />, number: true, wide: true },
        { title: "Took", show: (one) => (one.attempt.closed_at ? duration((new Date(one.attempt.closed_at).getTime() - new Date(one.attempt.started_at ?? one.attempt.dispatched_at).getTime()) / 1000) : ""), number: true },
      ]} />
  );
}

// --- Tabs ---------------------------------------------------------------------------------------------

function Tab({ run }: { run: WholeRun }): JSX.Element {
  switch (tabNow("data")) {
    case "steps": {
      const text = (query.value.get("find") ?? "").toLowerCase();
      return (
        <Panel>
          <Finder label="Step, task or state contains" name="find" />
          <Table label="Steps" rows={text ? run.steps.filter((step) => `${nameOf(step)} ${step.task ?? ""} ${step.status}`.toLowerCase().includes(text)) : run.steps} keyOf={nameOf} linkOf={(one) => withQuery({ step: nameOf(one), tab: null })} empty={text ? "No step fits." : "No step has begun."}
            columns={[{ title: "Step", show: nameOf }, { title: "Task", show: (one) => one.task ?? "", wide: true }, { title: "State", show: (one) => <State of={one.status} /> }, { title: "Attempts", show: (one) => one.attempts.length || "", number: true }, { title: "Error", show: (one) => problemText(one.error ?? one.attempts.at(-1)?.error) }]} />
        </Panel>
      );
    }
    case "attempts": return <Panel><AttemptTable rows={run.steps.flatMap((step) => step.attempts.map((attempt) => ({ step, attempt })))} /></Panel>;
    case "logs": return <Logs key={run.id} run={run} />;
    case "history": return <History run={run} />;
    case "acts":
      return (
        <Panel>
          <Table label="What people asked for" rows={run.requests} keyOf={(one) => one.at + one.fact + (one.step ?? "")} empty="Nobody has asked for anything."
            columns={[{ title: "What", show: (one) => one.fact.replaceAll("_", " ") }, { title: "Step", show: (one) => one.step ?? "" }, { title: "By", show: (one) => one.actor ?? "" }, { title: "Reason", show: (one) => one.reason ?? one.text ?? "" }, { title: "When", show: (one) => <Time at={one.at} />, number: true }]} />
        </Panel>
      );
    case "related": return <Related run={run} />;
    default:
      return (
        <div class="two">
          <Panel title="Input"><Data of={run.input} label="Input of the run" /></Panel>
          <Panel title="Output">{run.output === null && run.error ? <p class="failure">{run.error_type}: {run.error}</p> : <Data of={run.output} label="Output of the run" />}</Panel>
        </div>
      );
  }
}

function History({ run }: { run: WholeRun }): JSX.Element {
  const more = useSignal<Entry[]>([]);
  const next = useSignal(run.history_next);
  const load = async (): Promise<void> => {
    const page = await get<{ history: Entry[]; next: number | null }>(`/api/runs/${run.id}/history?after=${next.value}&limit=500`);
    more.value = [...more.value, ...page.history];
    next.value = page.next;
  };
  const begin = new Date(run.started_at).getTime();
  return (
    <Panel>
      <ol class="history">
        {[...run.history, ...more.value].map((entry) => (
          <li key={entry.seq}>
            <time dateTime={entry.at} title={localTime(entry.at)}>+{duration((new Date(entry.at).getTime() - begin) / 1000)}</time>
            <div>
              {entry.facts.map((fact, i) => (
                <details key={i}>
                  <summary><b>{fact.fact.replaceAll("_", " ")}</b> {fact.step ? <code>{fact.step}</code> : null} {fact.actor ? <>by {fact.actor}</> : null} {(fact.reason ?? fact.text) ? `“${fact.reason ?? fact.text}”` : null} {typeof fact.status === "string" ? fact.status : null}</summary>
                  <pre>{asJson(fact)}</pre>
                </details>
              ))}
            </div>
          </li>
        ))}
      </ol>
      {next.value !== null ? <button type="button" onClick={() => void load()}>More</button> : null}
    </Panel>
  );
}

function Related({ run }: { run: WholeRun }): JSX.Element {
  const searches: [string, string][] = [
    ["Runs of this workflow", `workflow:${run.workflow}`],
    ...(run.error_type ? [["Runs that ended with the same error", `workflow:${run.workflow} error:${run.error_type}`] as [string, string]] : []),
    ...(run.key ? [["Runs with this key", `key:"${run.key}"`] as [string, string]] : []),
    ...Object.entries(run.labels ?? {}).map(([name, value]): [string, string] => [`Runs with ${name}=${value}`, labelled(name, value)]),
  ];
  return (
    <Panel>
      <ul class="links">
        {searches.map(([title, q]) => <li key={q}><a href={"/runs?q=" + enc(q)}>{title}</a></li>)}
        {[...new Set(run.steps.map((step) => step.task).filter((task) => task !== null))].map((task) => <li key={task}><a href={"/broker/queues/%2F/" + enc("baton.task." + task)}>The queue of {task}</a></li>)}
      </ul>
    </Panel>
  );
}
