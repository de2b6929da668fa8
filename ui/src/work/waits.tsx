// What open runs wait for from outside: signals, events, people, the first of several, a time.
import type { JSX } from "preact";
import { may, usePolled } from "../api";
import { asJson } from "../format";
import { cursorQuery, ListPage, type CursorPage } from "../lists";
import { Time } from "../parts";
import { enc, query, withQuery } from "../router";
import { askSignal } from "./run";

interface Wait { run: string; workflow: string; step: string; since: string | null; until: string | null; kind: string; wanted: Record<string, unknown> | null }

const kinds: [string, string][] = [["", "All"], ["signal", "Signals"], ["event", "Events"], ["approval", "People"], ["first_of", "The first of several"], ["timer", "A time"]];

export function Waits(): JSX.Element {
  const kind = query.value.get("kind") ?? "";
  const all = usePolled<CursorPage<Wait>>(() => "/baton/v1/waits?" + cursorQuery({ kind: query.value.get("kind") }), 5, { topics: ["runs"] });
  return (
    <ListPage title="Waits" from={all} keyOf={(one) => one.run + one.step} linkOf={(one) => `/runs/${one.run}?step=${enc(one.step)}`} empty="No run waits for anything from outside."
      beside={<span class="views">{kinds.map(([word, title]) => <a key={word} href={withQuery({ kind: word, after: null })} aria-current={kind === word ? "page" : undefined}>{title}</a>)}</span>}
      columns={[
        { title: "Step", show: (one) => <>{one.workflow} <small>{one.step}</small></> }, { title: "Waits for", show: (one) => wantedText(one) },
        { title: "Since", show: (one) => <Time at={one.since} since />, number: true }, { title: "At the latest", show: (one) => (one.until ? <Time at={one.until} /> : ""), number: true },
        { title: "Acts", number: true, show: (one) => {
          const signal = one.wanted?.signal;
          if (one.kind === "approval") return <a href={`/approvals`}>Decide</a>;
          return typeof signal === "string" && may.operate() ? <button type="button" class="quiet" aria-label={`Send ${signal} to ${one.run}`} onClick={() => askSignal({ id: one.run, workflow: one.workflow }, signal, all.reload)}>Send</button> : null;
        } },
      ]} />
  );
}

function wayText(way: Record<string, unknown>): string {
  if (typeof way.signal === "string") return `the signal ${way.signal}`;
  if (way.event !== undefined) {
    const event = way.event as { type?: string; match?: unknown } | string;
    return typeof event === "string" ? `an event ${event}` : `an event ${event.type ?? ""}${event.match ? ` with ${asJson(event.match).replaceAll(/\s+/g, " ")}` : ""}`;
  }
  if (way.approval !== undefined) {
    const asked = way.approval as { title?: string; by?: string[] };
    return `${asked.by?.join(", ") || "whoever may operate"}: ${asked.title ?? ""}`;
  }
  return "a time";
}
const wantedText = (one: Wait): string => (Array.isArray(one.wanted?.first_of) ? (one.wanted.first_of as Record<string, unknown>[]).map(wayText).join(" or ") : wayText(one.wanted ?? {}));
