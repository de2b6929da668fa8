// uPlot with our colours; a part of its own, so that pages without charts do not load it.
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import type { Line } from "./chart";

export function draw(box: HTMLElement, lines: Line[], data: uPlot.AlignedData): uPlot {
  const colour = (name: string): string => {
    const probe = document.createElement("i");
    probe.style.color = `var(--${name})`;
    box.append(probe);
    const found = getComputedStyle(probe).color;
    probe.remove();
    return found;
  };
  const axis = { stroke: colour("dim"), grid: { stroke: colour("line"), width: 1 }, ticks: { show: false }, font: "11px system-ui" };
  return new uPlot({
    width: box.clientWidth, height: 140, legend: { show: false }, cursor: { y: false, points: { size: 5 } },
    scales: { y: { range: (_, __, max) => [0, Math.max(max * 1.1, 1)] } },
    axes: [{ ...axis, size: 24, values: (_, ticks) => ticks.map((tick) => new Date(tick * 1000).toTimeString().slice(0, 5)) }, { ...axis, size: 44, values: (_, ticks) => ticks.map((tick) => (tick >= 1e6 ? tick / 1e6 + "M" : tick >= 1e4 ? tick / 1e3 + "k" : String(tick))) }],
    series: [{}, ...lines.map((line) => ({ label: line.name, stroke: colour("chart-" + line.colour), width: 1.5, points: { show: false } }))],
  }, data, box);
}
