// The server's drawing of a workflow: it says where each box is, the page draws and colours.
import type { JSX } from "preact";
import { shapeOf } from "../parts";
import type { Graph } from "./types";

export function GraphView({ graph, statusOf, chosen, choose }: { graph: Graph; statusOf?: (path: string) => string; chosen?: string | undefined; choose?: (path: string) => void }): JSX.Element {
  return (
    <div class="graph-box" tabIndex={0} role="group" aria-label={`Graph of ${graph.title}`}>
      <svg class="graph" viewBox={`0 0 ${graph.width} ${graph.height}`} width={graph.width} height={graph.height}>
        <defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto"><path d="M0 0L8 4L0 8z" class="tip" /></marker></defs>
        {graph.nodes.map((node) => {
          const status = node.block ? "" : (statusOf?.(node.path) ?? "");
          const [shape, kind] = status ? shapeOf(status === "dispatched" ? "running" : status === "sleeping" || status === "deferred" ? "waiting" : status === "waiting" ? "pending" : status) : ["", ""];
          const open = (): void => choose?.(node.path);
          return (
            <g key={node.path} class={`node ${kind} ${node.block ? "block" : ""} ${chosen === node.path ? "chosen" : ""}`} {...(choose && !node.block ? { role: "button", tabIndex: 0, "aria-label": `Step ${node.path}${status ? ", " + status.replace("_", " ") : ""}`, onClick: open, onKeyDown: (event: KeyboardEvent) => { if (event.key === "Enter" || event.key === " ") { event.preventDefault(); open(); } } } : {})}>
              <rect x={node.x} y={node.y} width={node.width} height={node.height} rx="6" />
              <text class="title" x={node.x + 10} y={node.y + 22}>{shape ? shape + " " : ""}{node.title}</text>
              <text class="detail" x={node.x + 10} y={node.y + 38}>{[node.kind, node.detail].filter(Boolean).join(" ")}</text>
              {node.block ? null : node.notes.map((note, i) => <text key={i} class="detail" x={node.x + 10} y={node.y + 54 + 16 * i}>{note}</text>)}
            </g>
          );
        })}
        {graph.edges.map((edge, i) => (
          <g key={i} class={"edge " + edge.kind}>
            <path d={wayOf(edge.points)} marker-end="url(#tip)" />
            {edge.label && edge.points.length ? <text x={edge.points[Math.floor(edge.points.length / 2)]![0] + 4} y={edge.points[Math.floor(edge.points.length / 2)]![1]}>{edge.label}</text> : null}
          </g>
        ))}
      </svg>
    </div>
  );
}

function wayOf(points: [number, number][]): string {
  if (points.length === 0) return "";
  let way = `M${points[0]![0]} ${points[0]![1]}`;
  for (let i = 1; i < points.length; ++i) {
    const [x, y] = points[i]!, [before_x, before_y] = points[i - 1]!, middle = (y + before_y) / 2;
    way += `C${before_x} ${middle} ${x} ${middle} ${x} ${y}`;
  }
  return way;
}
