// Lines over time, drawn by uPlot, which is loaded with the first chart. A table with the same figures is behind each.
import type { JSX } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { many } from "./format";
import { scheme } from "./theme";

export interface Line {
  name: string;
  colour: "1" | "2" | "3" | "4" | "5" | "6";
  /** The newest last, like `times`. */
  values: (number | null)[];
}

const show = (value: number | null | undefined): string =>
  value === null || value === undefined ? "–" : value >= 100 || Number.isInteger(value) ? many(Math.round(value)) : value.toFixed(1);

export function Chart({ title, times, lines, unit = "" }: { title: string; times: number[]; lines: Line[]; unit?: string }): JSX.Element {
  const box = useRef<HTMLDivElement>(null);
  const plot = useRef<{ setData: (data: never) => void; destroy: () => void; setSize: (size: { width: number; height: number }) => void } | null>(null);
  const drawn = scheme.value;
  const shape = lines.map((line) => line.name).join();
  const data = [times, ...lines.map((line) => line.values)] as never;
  const latest = useRef(data);
  latest.current = data;
  useEffect(() => {
    let isOver = false;
    let watch: ResizeObserver | undefined;
    void import("./plot").then(({ draw }) => {
      const here = box.current;
      if (isOver || !here) return;
      plot.current = draw(here, lines, latest.current) as never;
      // Reports of a size come late, also when the page has gone on.
      watch = new ResizeObserver(() => {
        if (here.isConnected) plot.current?.setSize({ width: here.clientWidth, height: 140 });
      });
      watch.observe(here);
    });
    return () => {
      isOver = true;
      watch?.disconnect();
      plot.current?.destroy();
      plot.current = null;
    };
  }, [shape, drawn]);
  useEffect(() => plot.current?.setData(data), [times.at(-1), times.length, lines.map((line) => line.values.at(-1)).join()]);
  return (
    <figure class="chart">
      <figcaption>{title}</figcaption>
      <div ref={box} class="plot" aria-hidden="true" />
      <ul class="legend">
        {lines.map((line) => (
          <li key={line.name}>
            <i class={`c${line.colour}`} aria-hidden="true" />
            {line.name} <b>{show(line.values.at(-1))}{unit}</b>
          </li>
        ))}
      </ul>
      <details>
        <summary>Table</summary>
        <div class="table-box" tabIndex={0} role="region" aria-label={title + ", as a table"}>
          <table>
            <thead><tr><th scope="col">Time</th>{lines.map((line) => <th key={line.name} scope="col" class="number">{line.name}</th>)}</tr></thead>
            <tbody>
              {times.slice(-20).reverse().map((time, back) => (
                <tr key={time}>
                  <td>{new Date(time * 1000).toLocaleTimeString()}</td>
                  {lines.map((line) => <td key={line.name} class="number">{show(line.values[times.length - 1 - back])}</td>)}
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      </details>
    </figure>
  );
}

// --- RabbitMQ's samples as lines -----------------------------------------------------------------------

interface Samples { samples?: { sample: number; timestamp: number }[]; rate?: number }
export type Stats = Record<string, unknown> | undefined;
export const rateOf = (stats: Stats, name: string): number => (stats?.[name + "_details"] as Samples | undefined)?.rate ?? 0;

/** Five minutes, a sample each five seconds. */
export const sampled = "msg_rates_age=300&msg_rates_incr=5&lengths_age=300&lengths_incr=5";

export function linesOf(stats: Stats, wanted: [name: string, field: string, colour: Line["colour"]][], kind: "rate" | "length"): { times: number[]; lines: Line[] } {
  const all = wanted.map(([, field]) => [...((stats?.[field + "_details"] as Samples | undefined)?.samples ?? [])].reverse());
  const longest = all.reduce((one, other) => (other.length > one.length ? other : one), []);
  const skip = kind === "rate" ? 1 : 0;
  const times = longest.slice(skip).map((one) => one.timestamp / 1000);
  const lines = wanted.map(([name, , colour], at) => {
    const values = all[at]!;
    const there = kind === "length" ? values.map((one) => one.sample)
      : values.slice(1).map((one, i) => (one.sample - values[i]!.sample) / ((one.timestamp - values[i]!.timestamp) / 1000));
    return { name, colour, values: [...Array<null>(Math.max(0, times.length - there.length)).fill(null), ...there] };
  });
  return { times, lines };
}

export const queue_rates: [string, string, Line["colour"]][] = [
  ["publish", "publish", "1"], ["deliver", "deliver_get", "2"], ["ack", "ack", "3"], ["redeliver", "redeliver", "4"],
];
export const overview_rates: [string, string, Line["colour"]][] = [...queue_rates, ["confirm", "confirm", "5"], ["unroutable", "drop_unroutable", "6"]];
export const queue_lengths: [string, string, Line["colour"]][] = [
  ["ready", "messages_ready", "1"], ["unacked", "messages_unacknowledged", "4"], ["total", "messages", "2"],
];
