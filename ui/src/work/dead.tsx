// Dead letters by cause: what failed, how often, of what; one looked at, repaired, and the same done to the others.
import { useSignal } from "@preact/signals";
import type { JSX } from "preact";
import { get, may, post, usePolled } from "../api";
import { asJson, many, plural } from "../format";
import type { Props } from "../pages";
import { ask, Data, Facts, Failure, Figure, Loaded, Page, Panel, State, Table, Time } from "../parts";
import { enc, query, withQuery } from "../router";
import { changesOf, told, type Change } from "./repair";
import { problemText, type Cause, type DeadJob, type Letter, type Operation } from "./types";

const follow = { topics: ["dead"] };

export function Dead(): JSX.Element {
  const groups = usePolled<Cause[]>(() => "/api/dead/groups?limit=200", 4, follow);
  const filter = (): string => ["task", "run", "workflow", "error_type"].flatMap((name) => (query.value.get(name) ? [`${name}=${enc(query.value.get(name)!)}`] : [])).join("&");
  const letters = usePolled<Letter[]>(() => `/api/dead?limit=100${filter() && "&" + filter()}${query.value.get("before") ? "&before=" + query.value.get("before") : ""}`, 4, follow);
  const isFiltered = filter() !== "";
  const all = groups.data.value?.reduce((sum, one) => sum + one.count, 0) ?? 0;
  return (
    <Page title="Dead letters" state={groups.data.value ? <span class="dim">{plural(groups.data.value.length, "cause")}, {plural(all, "letter")} open</span> : null}>
      {isFiltered ? <p class="sentence">Only {["task", "run", "workflow", "error_type"].filter((name) => query.value.get(name)).map((name) => <span key={name} class="tag">{name.replace("_", " ")} {query.value.get(name)}</span>)} <a href="/dead">all</a></p> : (
        <Panel title="By cause">
          <Loaded from={groups}>
            {(found) => (
              <Table label="Causes" rows={found} keyOf={(one) => one.group} linkOf={(one) => "/dead/" + enc(one.group)} empty="Nothing has failed for good."
                columns={[
                  { title: "Cause", show: (one) => one.error_type ?? one.reason }, { title: "Detail", show: (one) => one.detail ?? "" }, { title: "Task", show: (one) => one.task },
                  { title: "Count", show: (one) => <b>{many(one.count)}</b>, number: true }, { title: "First", show: (one) => <Time at={one.first} />, number: true, wide: true }, { title: "Last", show: (one) => <Time at={one.last} />, number: true },
                ]} />
            )}
          </Loaded>
        </Panel>
      )}
      <Panel title="One by one"><Loaded from={letters}>{(found) => <Letters rows={found} />}</Loaded></Panel>
    </Page>
  );
}

function Letters({ rows }: { rows: Letter[] }): JSX.Element {
  return (
    <>
      <Table label="Dead letters" rows={rows} keyOf={(one) => String(one.id)} linkOf={(one) => `/dead/${enc(one.group)}?letter=${one.id}`} empty="None."
        columns={[
          { title: "Letter", show: (one) => one.id }, { title: "Task", show: (one) => one.task, wide: true }, { title: "Error", show: (one) => problemText(one.error) || one.reason },
          { title: "Run", show: (one) => (one.run ? <a href={"/runs/" + one.run}>{one.workflow} <small>{one.step}</small></a> : <span class="dim">none</span>) }, { title: "State", show: (one) => <State of={one.state} />, wide: true }, { title: "When", show: (one) => <Time at={one.at} />, number: true },
        ]} />
      {rows.length === 100 ? <p class="pager"><a href={withQuery({ before: rows.at(-1)!.id })}>older ›</a></p> : null}
    </>
  );
}

export function DeadGroup({ at }: Props): JSX.Element {
  const group = at.group!;
  const groups = usePolled<Cause[]>(() => "/api/dead/groups?limit=1000", 4, follow);
  const letters = usePolled<Letter[]>(() => `/api/dead?group=${enc(group)}&limit=100${query.value.get("before") ? "&before=" + query.value.get("before") : ""}`, 4);
  const chosen = usePolled<Letter>(() => {
    const id = query.value.get("letter") ?? String(groups.data.value?.find((one) => one.group === group)?.example ?? "");
    return id ? "/api/dead/" + id : null;
  }, 0);
  const cause = groups.data.value?.find((one) => one.group === group);
  const letter = chosen.data.value;
  const title = cause ? (cause.error_type ?? cause.reason) : letter ? (letter.error_type ?? letter.reason) : "Cause";
  const reload = (): void => (groups.reload(), letters.reload(), chosen.reload());
  const count = cause?.count ?? 0;
  const askRedrive = (): void => askJob("redrive", group, count, reload);
  const askDrop = (): void => askJob("drop", group, count, reload);
  return (
    <Page title={title} of={<><a href="/dead">Dead letters</a> / {cause?.task ?? letter?.task}</>} state={<State of={count ? "open" : "done"} word={`${many(count)} open`} />}
      acts={may.operate() && count ? <><button type="button" class="primary" onClick={askRedrive}>Redrive {many(count)}</button><button type="button" onClick={askDrop}>Drop</button></> : null}>
      {cause ? (
        <div class="figures">
          <Figure label="open" value={many(count)} kind="bad" />
          <Figure label="task" value={<span class="small">{cause.task}</span>} to={"/tasks/" + enc(cause.task)} />
          <Figure label="first" value={<span class="small"><Time at={cause.first} /></span>} />
          <Figure label="last" value={<span class="small"><Time at={cause.last} /></span>} />
        </div>
      ) : null}
      {cause?.detail ? <p class="sentence"><b>{cause.detail}</b></p> : null}
      {letter ? <Example key={letter.id} letter={letter} count={count} group={group} reload={reload} /> : null}
      <Panel title="Letters of this cause"><Loaded from={letters}>{(found) => <Letters rows={found} />}</Loaded></Panel>
    </Page>
  );
}

function askJob(action: "redrive" | "drop", group: string, count: number, after: () => void): void {
  const isDrop = action === "drop";
  ask({
    title: `${isDrop ? "Drop" : "Redrive"} ${plural(count, "dead letter")}`,
    preview: isDrop ? <p>They are not tried again; runs that wait for them stay as they are until somebody decides.</p> : <p>Each step gets a new series of attempts, as it was. What dies again counts as a failure.</p>,
    fields: isDrop ? [{ name: "reason", label: "Reason", required: true }]
      : [{ name: "rate", label: "How fast", value: "20/s", required: true }, { name: "stop_after", label: "Stop after so many new failures", kind: "number", value: "3", required: true }, { name: "reason", label: "Reason" }],
    verb: isDrop ? "Drop" : "Redrive", isDanger: isDrop, after,
    run: async (values) => {
      const started = await post<DeadJob>("/api/dead/jobs", { action, group, ...(values.rate ? { rate: values.rate } : {}), ...(values.stop_after ? { stop_after: Number(values.stop_after) } : {}), ...(values.reason ? { reason: values.reason } : {}) });
      for (let tries = 0; tries < 20; ++tries) {
        const job = await get<DeadJob>("/api/dead/jobs/" + started.job);
        if (job.state !== "running") return <>{job.state}: {many(job.done)} {isDrop ? "dropped" : "sent again"}, {many(job.refused)} refused, {many(job.failures)} failed again{job.note ? ` (${job.note})` : ""}. <a href="/operations">All operations</a></>;
        await new Promise((done) => setTimeout(done, 250));
      }
      return <>It goes on as operation {started.job}, also when this page is closed. <a href="/operations">All operations</a></>;
    },
  });
}

/** One letter, looked at from near; its input can be mended, and what was changed done to all others of the cause. */
function Example({ letter, count, group, reload }: { letter: Letter; count: number; group: string; reload: () => void }): JSX.Element {
  const original = asJson(letter.input);
  const text = useSignal(original);
  const failure = useSignal<unknown>(null);
  const parsed = ((): { value: unknown } | null => {
    try {
      return { value: JSON.parse(text.value) };
    } catch {
      return null;
    }
  })();
  const changes = parsed ? changesOf(letter.input, parsed.value) : [];
  const canMend = letter.run !== null && letter.state === "open" && may.operate();
  const askOne = (): void => ask({
    title: `Redrive letter ${letter.id}${changes.length ? " with the repaired input" : ""}`,
    preview: changes.length ? <ul>{changes.map((change) => <li key={told(change)}>{told(change)}</li>)}</ul> : <p>As it was: a new series of attempts.</p>,
    verb: "Redrive", after: reload,
    run: async () => {
      await post(`/api/dead/${letter.id}/redrive`, changes.length ? { with: parsed!.value } : {});
      for (let tries = 0; tries < 24; ++tries) {
        await new Promise((done) => setTimeout(done, 250));
        const steps = letter.run ? (await get<{ steps: { step: string; status: string }[] }>("/api/runs/" + letter.run)).steps : [];
        const status = steps.find((step) => step.step === letter.step)?.status;
        if (status === "done")
          return (
            <>
              <p>It went through: the step is done.</p>
              {changes.length && count > 1 ? <p><button type="button" class="primary" onClick={() => void askRepairAll(changes, group, reload).catch((error: unknown) => (failure.value = error))}>Do the same to the other {many(count - 1)}</button></p> : null}
            </>
          );
        if (status === "dead" || status === "failed") return <>It failed again. <a href={"/runs/" + letter.run}>The run</a></>;
      }
      return <>It was sent again. <a href={"/runs/" + letter.run}>The run</a></>;
    },
  });
  return (
    <Panel title={`Letter ${letter.id}`} acts={<span class="acts">
      {letter.run ? <a class="button" href={"/runs/" + letter.run}>Run</a> : null}
      {canMend || (letter.state === "open" && may.operate()) ? <button type="button" onClick={askOne}>{changes.length ? "Redrive this one, repaired" : "Redrive this one"}</button> : null}
    </span>}>
      <Facts of={[["state", <State key="s" of={letter.state} />], ["why it died", letter.reason], ["attempts", letter.attempts], ["workflow", letter.workflow ? `${letter.workflow} v${letter.version}` : ""], ["step", letter.step], ["when", <Time key="t" at={letter.at} />], ["closed by", letter.closed_by], ["reason", letter.close_reason]]} />
      <div class="two">
        <div>
          <h3>Error</h3>
          <Data of={letter.error} label="Error" />
          {letter.message ? <><h3>Message</h3><Data of={letter.message} label="Message" /></> : null}
        </div>
        <div>
          <h3>Input</h3>
          {canMend ? (
            <>
              <textarea class="mono" aria-label="Input of the letter, to be repaired" rows={Math.min(16, original.split("\n").length + 1)} spellcheck={false} value={text.value} onInput={(event) => (text.value = event.currentTarget.value)} />
              {parsed ? null : <Failure of="This is no JSON." />}
            </>
          ) : <Data of={letter.input} label="Input" />}
        </div>
      </div>
      {changes.length > 0 ? (
        <div class="repair">
          <h3>What you changed</h3>
          <ul>{changes.map((change) => <li key={told(change)}>{told(change)}</li>)}</ul>
          <button type="button" class="primary" onClick={() => void askRepairAll(changes, group, reload).catch((error: unknown) => (failure.value = error))}>Do the same to all {many(count)}</button>
          <button type="button" class="quiet" onClick={() => (text.value = original)}>Undo my changes</button>
        </div>
      ) : null}
      <Failure of={failure.value} />
    </Panel>
  );
}

interface Trial { count: number; count_is_exact: boolean; fit: number; unfit: number; fit_is_exact: boolean; samples: (Letter & { mended: unknown; fits: boolean })[] }

/** The server makes the change to the others, under a rate, and goes on when this page is closed or the server is started again. */
async function askRepairAll(changes: Change[], group: string, after: () => void): Promise<void> {
  const wish = { kind: "dead", action: "redrive", group, edit: changes };
  const trial = await post<Trial>("/baton/v1/operations", { ...wish, dry_run: true });
  const atLeast = trial.fit_is_exact ? "" : "at least ";
  const fitting = trial.samples.filter((one) => one.fits);
  ask({
    title: `Repair and redrive ${atLeast}${plural(trial.fit, "dead letter")}`,
    preview: (
      <>
        <ul>{changes.map((change) => <li key={told(change)}>{told(change)}</li>)}</ul>
        {trial.unfit > 0 ? <p class="banner">{atLeast}{plural(trial.unfit, "letter")} of {many(trial.count)} {trial.unfit === 1 ? "does" : "do"} not fit the change and {trial.unfit === 1 ? "is" : "are"} left alone.</p> : null}
        <details>
          <summary>The first {many(fitting.length)}, before and after</summary>
          <pre class="diff">{fitting.map((one) => `#${one.id}\n- ${JSON.stringify(one.input)}\n+ ${JSON.stringify(one.mended)}`).join("\n")}</pre>
        </details>
        <p class="dim">The server sends them, and goes on after a restart.</p>
      </>
    ),
    fields: [{ name: "rate", label: "How fast", value: "20/s", required: true }, { name: "stop_after", label: "Stop after so many refusals or new failures", kind: "number", value: "3", required: true }, { name: "reason", label: "Reason" }],
    verb: `Redrive ${atLeast}${many(trial.fit)}`, after,
    run: async (values) => {
      const started = await post<Operation>("/baton/v1/operations", { ...wish, rate: values.rate, stop_after: Number(values.stop_after), ...(values.reason ? { reason: values.reason } : {}) });
      let now = started;
      for (let tries = 0; tries < 40 && now.state === "running"; ++tries) {
        await new Promise((done) => setTimeout(done, 250));
        now = await get<Operation>("/baton/v1/operations/" + started.id);
      }
      const words = `${many(now.done)} were repaired and sent again, ${many(now.refused)} refused, ${many(now.failures ?? 0)} failed again, ${many(now.unfit ?? 0)} did not fit`;
      const all = <a href="/operations">All operations</a>;
      if (now.state === "running") return <>It goes on as operation {now.id}, also when this page is closed: {words} until now. {all}</>;
      return <>{now.state === "done" ? "Done" : "Stopped"}: {words}{now.note ? ` (${now.note})` : ""}. {all}</>;
    },
  });
}
