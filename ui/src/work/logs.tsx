// What workers said of a run while they worked: all that the run keeps, and what comes, as long as somebody looks.
import { useSignal } from "@preact/signals";
import type { JSX } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { usePolled } from "../api";
import { localTime, many, plural } from "../format";
import { Failure, Finder, Panel, State } from "../parts";
import { query, setQuery } from "../router";
import { is_closed, type WholeRun } from "./types";

interface Line { number: number; at: string; level: string; step: string; attempt: number; text: string }
interface LogPage { items: Line[]; next: number | null; dropped: number }

const levels = ["debug", "info", "warning", "error"];
const kept_max = 2000; // more than a run keeps

export function Logs({ run }: { run: WholeRun }): JSX.Element {
  const lines = useSignal<Line[]>([]);
  const dropped = useSignal(0);
  const after = useSignal(0);
  // From the last line that is here: an empty answer costs nobody anything.
  const page = usePolled<LogPage>(() => `/baton/v1/runs/${run.id}/logs?limit=500&after=${after.value}`, is_closed(run) ? 10 : 2);
  const came = page.data.value;
  useEffect(() => {
    if (!came) return;
    if (after.value === 0) dropped.value = came.dropped;
    const news = came.items.filter((line) => line.number > after.value);
    if (news.length === 0) return;
    lines.value = [...lines.value, ...news].slice(-kept_max);
    after.value = news[news.length - 1]!.number;
  }, [came]);

  const text = (query.value.get("find") ?? "").toLowerCase();
  const least = Math.max(levels.indexOf(query.value.get("level") ?? "debug"), 0);
  const shown = lines.value.filter((line) => levels.indexOf(line.level) >= least && (!text || `${line.step} ${line.text}`.toLowerCase().includes(text)));
  const box = useRef<HTMLDivElement>(null);
  const isAtEnd = useRef(true);
  useEffect(() => {
    if (box.current && isAtEnd.current) box.current.scrollTop = box.current.scrollHeight;
  }, [shown.length]);
  return (
    <Panel>
      <Finder label="Step or text contains" name="find">
        <select aria-label="Level" value={levels[least]} onChange={(event) => setQuery({ level: event.currentTarget.value === "debug" ? null : event.currentTarget.value })}>
          {levels.map((level) => <option key={level} value={level}>{level === "error" ? "error" : `${level} and above`}</option>)}
        </select>
      </Finder>
      <Failure of={page.error.value} />
      {dropped.value > 0 ? <p class="dim">The first {plural(dropped.value, "line")} of this run {dropped.value === 1 ? "is" : "are"} gone: a run keeps its newest.</p> : null}
      {shown.length === 0 ? <p class="dim" aria-busy={came === undefined}>{came === undefined ? "Loading …" : lines.value.length > 0 ? "No line fits." : "No worker has said anything of this run."}</p> : (
        <div class="log" ref={box} role="log" aria-label="Log of the run" tabIndex={0} onScroll={(event) => (isAtEnd.current = event.currentTarget.scrollHeight - event.currentTarget.scrollTop - event.currentTarget.clientHeight < 24)}>
          <ol>{shown.map((line) => (
            <li key={line.number}>
              <time dateTime={line.at} title={`line ${many(line.number)}`}>{localTime(line.at)}</time>
              <State of={line.level === "error" ? "failed" : line.level === "warning" ? "degraded" : "pending"} word={line.level} />
              <code>{line.step}{line.attempt > 1 ? `#${line.attempt}` : ""}</code>
              <span>{line.text}</span>
            </li>
          ))}</ol>
        </div>
      )}
    </Panel>
  );
}
