// Task types: who serves them, what waits, what is held; and the workers themselves.
import type { JSX } from "preact";
import { may, post, usePolled } from "../api";
import { asJson, many, plural, rate } from "../format";
import { rateOf } from "../chart";
import type { Queue } from "../broker/types";
import type { Props } from "../pages";
import { ListPage, useRows } from "../lists";
import { ask, Data, Figure, jsonIn, Loaded, Page, Panel, State, Table, Time, type ServerPage } from "../parts";
import { enc } from "../router";
import { fieldsOf, valuesOf, type Schema } from "../schema";
import type { Cause, Pause, TaskLook } from "./types";

interface Offered { task: string; workers: string[]; parameters?: Schema | null; result?: unknown }
interface Worker { worker: string; version: string; host: string; concurrency: number | null; first_heard: string; last_heard: string; tasks: { task: string; queue: string; held?: string }[] }
interface Row { task: string; workers: number; waiting: number; unacked: number; out: number; pause: Pause | undefined }

const prefix = "baton.task.";

export function Tasks(): JSX.Element {
  const offered = usePolled<Offered[]>(() => "/api/tasks", 5);
  const queues = usePolled<ServerPage<Queue>>(() => (may.broker() ? "/api/queues/%2F?page=1&page_size=500&name=baton.task." : null), 5);
  const pauses = usePolled<Pause[]>(() => "/api/pauses", 5);
  const rows = useRows(offered, (found): Row[] => {
    const names = new Set([...found.map((one) => one.task), ...(queues.data.value?.items ?? []).map((one) => one.name.slice(prefix.length)), ...(pauses.data.value ?? []).flatMap((one) => (one.task ? [one.task] : []))]);
    return [...names].sort().map((task) => {
      const queue = queues.data.value?.items.find((one) => one.name === prefix + task);
      return { task, workers: queue?.consumers ?? found.filter((one) => one.task === task).reduce((sum, one) => sum + one.workers.length, 0), waiting: queue?.messages_ready ?? 0, unacked: queue?.messages_unacknowledged ?? 0, out: rateOf(queue?.message_stats, "deliver_get"), pause: pauses.data.value?.find((one) => one.task === task) };
    });
  });
  return (
    <ListPage title="Tasks" finder="Name contains" textOf={(one) => one.task} from={rows} keyOf={(one) => one.task} linkOf={(one) => "/tasks/" + enc(one.task)} empty="No workflow and no worker has named a task."
      columns={[
        { title: "Task", show: (one) => one.task },
        { title: "State", show: (one) => (one.pause ? <State of="paused" word={`paused by ${one.pause.actor}`} /> : one.workers === 0 ? <State of={one.waiting ? "failing" : "idle"} word={one.waiting ? "no worker" : "nobody serves it"} /> : <State of="ok" word="served" />) },
        { title: "Waiting", show: (one) => many(one.waiting), number: true }, { title: "With workers", show: (one) => many(one.unacked), number: true, wide: true }, { title: "Workers", show: (one) => many(one.workers), number: true }, { title: "Handed out", show: (one) => rate(one.out), number: true, wide: true },
      ]} />
  );
}

export function Task({ at }: Props): JSX.Element {
  const task = at.task!;
  const look = usePolled<TaskLook>(() => "/api/tasks/" + enc(task), 3);
  const offered = usePolled<Offered[]>(() => "/api/tasks", 10);
  const pauses = usePolled<Pause[]>(() => "/api/pauses", 3);
  const dead = usePolled<Cause[]>(() => "/api/dead/groups?limit=200", 10, { topics: ["dead"] });
  const pause = pauses.data.value?.find((one) => one.task === task);
  const mine = (offered.data.value ?? []).filter((one) => one.task === task);
  const schema = mine.find((one) => one.parameters)?.parameters ?? null;
  const reload = (): void => (look.reload(), pauses.reload());
  const askPause = (): void => ask({
    title: `${pause ? "Resume" : "Pause"} ${task}`,
    preview: pause ? <p>What was held is handed out at once.</p> : <p>No task of this type is handed to workers, in no run; {plural(look.data.value?.waiting ?? 0, "task")} wait now. What workers have is awaited.</p>,
    fields: [{ name: "reason", label: "Reason" }], verb: pause ? "Resume" : "Pause", after: reload,
    run: async (values) => void (await post(`/api/tasks/${enc(task)}/${pause ? "resume" : "pause"}`, values.reason ? { reason: values.reason } : {})),
  });
  const askCall = (): void => ask({
    title: `Call ${task}`, preview: <p>One task without a workflow: the answer is shown, and kept nowhere.</p>,
    fields: [...(schema ? fieldsOf(schema) : [{ name: "with", label: "With", kind: "json" as const, value: "{}" }]), { name: "timeout", label: "Seconds to wait", kind: "number", value: "5" }], verb: "Call",
    run: async (values) => {
      const told = await post<unknown>("/api/call", { task, with: schema ? valuesOf(schema, values) : (jsonIn(values, "with") ?? {}), timeout_ms: Number(values.timeout) * 1000 });
      return <><p>Answered:</p><pre>{asJson(told)}</pre></>;
    },
  });
  const causes = (dead.data.value ?? []).filter((one) => one.task === task);
  return (
    <Loaded from={look}>
      {(found) => (
        <Page title={task} of={<a href="/tasks">Tasks</a>}
          state={pause ? <State of="paused" word={`paused by ${pause.actor}${pause.reason ? ": " + pause.reason : ""}`} /> : found.held ? <State of="paused" word={found.held} /> : found.workers === 0 ? <State of="failing" word="no worker" /> : <State of="ok" word="served" />}
          acts={<>{may.operate() ? <><button type="button" onClick={askCall}>Call</button><button type="button" onClick={askPause}>{pause ? "Resume" : "Pause"}</button></> : null}{may.broker() ? <a class="button" href={`/broker/queues/%2F/${enc(prefix + task)}`}>Queue</a> : null}</>}>
          <div class="figures">
            <Figure label="waiting" value={many(found.waiting)} />
            <Figure label="workers" value={many(found.workers)} to="/workers" />
            <Figure label="dead letters" value={many(causes.reduce((sum, one) => sum + one.count, 0))} to={"/dead?task=" + enc(task)} kind={causes.length ? "bad" : ""} />
          </div>
          <Panel title="Causes of failure"><Table label="Causes" rows={causes} keyOf={(one) => one.group} linkOf={(one) => "/dead/" + enc(one.group)} empty="No dead letter of this task." columns={[{ title: "Cause", show: (one) => one.error_type ?? one.reason }, { title: "Detail", show: (one) => one.detail ?? "" }, { title: "Count", show: (one) => many(one.count), number: true }]} /></Panel>
          <div class="two">
            <Panel title="What it takes"><Data of={schema} label="Parameters" /></Panel>
            <Panel title="What it gives"><Data of={mine.find((one) => one.result)?.result ?? null} label="Result" /></Panel>
          </div>
          <Panel title="Announced by"><Table label="Workers" rows={[...new Set(mine.flatMap((one) => one.workers))]} keyOf={(one) => one} empty="Nobody has announced it; it may be served all the same." columns={[{ title: "Worker", show: (one) => one }]} /></Panel>
        </Page>
      )}
    </Loaded>
  );
}

export function Workers(): JSX.Element {
  return (
    <ListPage title="Workers" finder="Name or task contains" textOf={(one) => [one.worker, one.host, ...one.tasks.map((task) => task.task)].join(" ")} from={usePolled<Worker[]>(() => "/api/workers", 5, { topics: ["workers"] })}
      keyOf={(one) => one.worker} empty="No worker has announced itself. Workers that do not announce are seen as consumers of the task queues."
      columns={[
        { title: "Worker", show: (one) => one.worker }, { title: "Host", show: (one) => one.host, wide: true }, { title: "Version", show: (one) => one.version, wide: true }, { title: "At once", show: (one) => one.concurrency || "", number: true, wide: true },
        { title: "Tasks", show: (one) => <>{one.tasks.slice(0, 8).map((task) => <a key={task.task} class="tag" href={"/tasks/" + enc(task.task)}>{task.task}</a>)}{one.tasks.length > 8 ? <details class="inline"><summary>{many(one.tasks.length - 8)} more</summary>{one.tasks.slice(8).map((task) => <a key={task.task} class="tag" href={"/tasks/" + enc(task.task)}>{task.task}</a>)}</details> : null}</> },
        { title: "Held", show: (one) => one.tasks.filter((task) => task.held).map((task) => task.held).join("; ") }, { title: "Heard", show: (one) => <Time at={one.last_heard} />, number: true },
      ]} />
  );
}
