// What starts by the clock: when next, in its zone and here; let pause, run now, filled in behind.
import type { JSX } from "preact";
import { may, post, usePolled } from "../api";
import { many, plural } from "../format";
import { ListPage, useRows } from "../lists";
import { ask, State, Time } from "../parts";
import { enc } from "../router";

interface Fire { nominal?: string; local?: string; at: string }
interface Schedule {
  schedule: string; workflow: string; trigger: string; cron: string; timezone: string; overlap: string; next: Fire[]; last?: Fire | string | null; paused?: { by?: string; reason?: string; at?: string } | null;
  waiting?: unknown[]; started?: number; skipped?: number; missed?: number; failed?: number; note?: { at: string; text: string };
}

export function Schedules(): JSX.Element {
  const all = usePolled<{ schedules: Schedule[] }>(() => "/api/schedules?next=5", 5);
  const path = (one: Schedule): string => "/api/schedules/" + enc(one.schedule);
  const askPause = (one: Schedule): void => ask({
    title: `${one.paused ? "Resume" : "Pause"} ${one.schedule}`, preview: one.paused ? <p>It starts again with its next time.</p> : <p>Nothing is started by the clock until it is resumed; runs that go on are not touched.</p>,
    fields: one.paused ? [] : [{ name: "reason", label: "Reason" }], verb: one.paused ? "Resume" : "Pause", after: all.reload,
    run: async (values) => void (await post(`${path(one)}/${one.paused ? "resume" : "pause"}`, values.reason ? { reason: values.reason } : {})),
  });
  const askRun = (one: Schedule): void => ask({
    title: `Run ${one.schedule} now`, preview: <p>One run more, as if its time had come.</p>, fields: [{ name: "beside", label: "Also while another run of it goes on", kind: "check" }], verb: "Run now", after: all.reload,
    run: async (values) => {
      const done = await post<{ run?: string; waiting?: boolean; behind?: string }>(path(one) + "/run", values.beside ? { beside: true } : {});
      return done.run ? <>Started: <a href={"/runs/" + done.run}>{done.run}</a></> : <>It waits behind {done.behind ? <a href={"/runs/" + done.behind}>{done.behind}</a> : "another run"}.</>;
    },
  });
  const askBackfill = (one: Schedule): void => ask({
    title: `Fill in ${one.schedule}`, preview: <p>A run for each time that it would have had in between. First it is counted; nothing starts before you say so.</p>,
    fields: [{ name: "from", label: "From", required: true, value: new Date(Date.now() - 86_400_000).toISOString(), hint: "a time, as 2026-01-31T12:00:00Z" }, { name: "until", label: "Until", hint: "now, unless said" }], verb: "Count", 
    run: async (values) => {
      const wanted = { from: values.from, ...(values.until ? { until: values.until } : {}) };
      const seen = await post<{ times: { at: string; local?: string }[] }>(path(one) + "/backfill", { ...wanted, dry_run: true });
      if (seen.times.length === 0) return "No time lies in between.";
      setTimeout(() => ask({
        title: `Start ${plural(seen.times.length, "run")} of ${one.schedule}`, preview: <ul>{seen.times.slice(0, 20).map((time) => <li key={time.at}>{time.local ?? time.at}</li>)}{seen.times.length > 20 ? <li>and {many(seen.times.length - 20)} more</li> : null}</ul>,
        verb: "Start them", after: all.reload,
        run: async () => {
          const done = await post<{ times: unknown[]; waiting?: number }>(path(one) + "/backfill", wanted);
          return `${plural(done.times.length, "run")} asked for${done.waiting ? `, ${many(done.waiting)} of them wait` : ""}.`;
        },
      }));
    },
  });
  return (
    <ListPage title="Schedules" finder="Name contains" textOf={(one) => one.schedule} from={useRows(all, (found) => found.schedules)} keyOf={(one) => one.schedule} empty="No workflow starts by the clock: [[on]] with cron in its file."
      columns={[
        { title: "Schedule", show: (one) => <a href={"/workflows/" + enc(one.workflow)}>{one.schedule}</a> },
        { title: "When", show: (one) => <><code>{one.cron}</code> <small>{one.timezone}</small></> },
        { title: "State", show: (one) => (one.paused ? <State of="paused" word={`paused${one.paused.by ? " by " + one.paused.by : ""}`} /> : one.waiting?.length ? <State of="waiting" word="one waits" /> : <State of="ok" word="on" />) },
        { title: "Next", show: (one) => (one.paused ? <span class="dim">–</span> : <details class="inline"><summary><Time at={one.next[0]?.at} /></summary>{one.next.map((fire) => <div key={fire.at}>{fire.local ?? fire.at}</div>)}</details>) },
        { title: "Last", show: (one) => <Time at={typeof one.last === "string" ? one.last : one.last?.at} />, number: true, wide: true },
        { title: "Started", show: (one) => many(one.started), number: true, wide: true }, { title: "Missed", show: (one) => many(one.missed), number: true, wide: true }, { title: "Overlap", show: (one) => one.overlap, wide: true },
        { title: "Note", show: (one) => one.note?.text ?? "", wide: true },
        ...(may.operate() ? [{ title: "Acts", number: true, show: (one: Schedule) => <><button type="button" class="quiet" aria-label={`Run ${one.schedule} now`} onClick={() => askRun(one)}>Run now</button><button type="button" class="quiet" aria-label={`${one.paused ? "Resume" : "Pause"} ${one.schedule}`} onClick={() => askPause(one)}>{one.paused ? "Resume" : "Pause"}</button><button type="button" class="quiet" aria-label={`Fill in ${one.schedule}`} onClick={() => askBackfill(one)}>Fill in</button></> }] : []),
      ]} />
  );
}
