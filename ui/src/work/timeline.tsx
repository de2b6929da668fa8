// The run over time: a row for each step, and in it what each attempt waited, worked and backed off. Only the rows that
// can be seen are drawn, so that ten thousand items of a for_each scroll like ten.
import { useSignal } from "@preact/signals";
import type { JSX } from "preact";
import { duration } from "../format";
import { clock, shapeOf } from "../parts";
import { withQuery } from "../router";
import { is_closed, type Step, type WholeRun } from "./types";

interface Segment { kind: "queued" | "running" | "failed" | "backing" | "waiting"; from: number; to: number; title: string }

const time = (at: string): number => new Date(at).getTime();

function segmentsOf(step: Step, end: number): Segment[] {
  const all: Segment[] = [];
  const put = (kind: Segment["kind"], from: number, to: number, title: string): void => {
    if (to >= from) all.push({ kind, from, to, title: `${title}, ${duration((to - from) / 1000)}` });
  };
  for (const [i, attempt] of step.attempts.entries()) {
    const sent = time(attempt.dispatched_at);
    const closed = attempt.closed_at ? time(attempt.closed_at) : end;
    const started = attempt.started_at ? time(attempt.started_at) : attempt.closed_at || attempt.worker ? sent : closed;
    put("queued", sent, started, `attempt ${attempt.attempt} waits for a worker`);
    if (attempt.started_at || attempt.closed_at || attempt.worker) put(attempt.outcome === "failed" ? "failed" : "running", started, closed, `attempt ${attempt.attempt} ${attempt.outcome ?? "is under way"}`);
    const next = step.attempts[i + 1];
    if (attempt.retry_at) put("backing", closed, next ? time(next.dispatched_at) : Math.min(time(attempt.retry_at), end), "until the next attempt");
  }
  if (step.attempts.length === 0 && step.started_at) put("waiting", time(step.started_at), step.closed_at ? time(step.closed_at) : end, step.status.replace("_", " "));
  return all;
}

const row_height = 24;
const seen_height = 330;

export function TimeLine({ run, chosen }: { run: WholeRun; chosen: string }): JSX.Element {
  const top = useSignal(0);
  const rows = run.steps.filter((step) => step.attempts.length > 0 || step.started_at);
  const begin = time(run.started_at);
  const end = run.closed_at ? time(run.closed_at) : is_closed(run) ? Date.now() : clock.value;
  const whole = Math.max(end - begin, 1);
  const first = Math.max(0, Math.floor(top.value / row_height) - 5);
  const seen = rows.slice(first, first + Math.ceil(seen_height / row_height) + 10);
  if (rows.length === 0) return <p class="empty">No step has begun.</p>;
  return (
    <>
      <div class="timeline" style={{ maxHeight: seen_height + "px" }} tabIndex={0} role="group" aria-label="Time line" onScroll={(event) => (top.value = event.currentTarget.scrollTop)}>
        <div style={{ height: rows.length * row_height + "px", position: "relative" }}>
          {seen.map((step, i) => {
            const name = step.step + (step.undo ? ":undo" : "");
            const [shape, kind] = shapeOf(step.status === "dispatched" ? "running" : step.status);
            return (
              <a key={name} class={`row ${chosen === name ? "chosen" : ""}`} style={{ top: (first + i) * row_height + "px" }} href={withQuery({ step: name, tab: null })}>
                <span class="name"><span class={"state " + kind} aria-hidden="true">{shape}</span> {name}</span>
                <span class="unseen">{step.status.replace("_", " ")}</span>
                <span class="bars">
                  {segmentsOf(step, end).map((one, at) => <i key={at} class={one.kind} title={one.title} style={{ left: ((one.from - begin) / whole) * 100 + "%", width: `max(2px, ${((one.to - one.from) / whole) * 100}%)` }} />)}
                </span>
              </a>
            );
          })}
        </div>
      </div>
      <p class="scale"><span>{duration(0)}</span><span class="legend"><i class="queued" />waits for a worker <i class="running" />works <i class="failed" />failed <i class="backing" />backs off</span><span>{duration(whole / 1000)}</span></p>
    </>
  );
}
