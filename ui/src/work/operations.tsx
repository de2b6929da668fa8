// Acts on many: over runs that a query found, over dead letters of a cause. The server does them, and says how far it is.
import type { JSX } from "preact";
import { may, post, usePolled } from "../api";
import { many } from "../format";
import { cursorQuery, ListPage, type CursorPage } from "../lists";
import { ask, State, Time } from "../parts";
import type { Operation } from "./types";

export function Operations(): JSX.Element {
  const all = usePolled<CursorPage<Operation>>(() => "/baton/v1/operations?" + cursorQuery(), 2, { topics: ["operations"] });
  const what = (one: Operation): string => `${one.action} ${one.kind === "dead" ? "dead letters" : "runs"}`;
  const stop = (one: Operation): void => ask({ title: `Stop ${what(one)}`, preview: <p>What was done stays done; nothing more is.</p>, verb: "Stop", isDanger: true, after: all.reload, run: async () => void (await post(`/baton/v1/operations/${one.id}/stop`)) });
  return (
    <ListPage title="Operations" from={all} keyOf={(one) => one.id} empty="Nothing was done to many yet."
      columns={[
        { title: "What", show: what }, { title: "Which", show: (one) => <code>{(one.kind === "dead" ? JSON.stringify(one.filter) : one.q || "all").slice(0, 200)}</code>, wide: true }, { title: "State", show: (one) => <State of={one.state} /> },
        { title: "Done", show: (one) => `${many(one.done)} of ${one.total_is_exact ? "" : "≥ "}${many(one.total)}`, number: true }, { title: "Refused", show: (one) => many(one.refused), number: true }, { title: "Failed again", show: (one) => (one.failures === undefined ? "" : many(one.failures)), number: true, wide: true },
        { title: "By", show: (one) => one.actor, wide: true }, { title: "Note", show: (one) => one.note ?? "", wide: true }, { title: "Began", show: (one) => <Time at={one.at} />, number: true },
        { title: "Acts", number: true, show: (one) => (one.state === "running" && may.operate() ? <button type="button" class="quiet" onClick={() => stop(one)}>Stop</button> : null) },
      ]} />
  );
}
