// Why a run is where it is: the server says it, in codes and sentences. Here is only how that is shown.

/** Of /baton/v1/runs/ID/why. */
export interface Reason {
  code: string;
  sentence: string;
  step: string | null;
  undo: boolean;
  task: string | null;
  since: string | null;
  until: string | null;
  act: { label: string; method: "POST"; path: string; body: Record<string, unknown> } | null;
}
export interface Why {
  seq: number;
  reasons: Reason[];
}

/** A run in one word of state: it is not merely running when it only tries again. */
export function stateOf(run: { status: string }, reasons: Reason[]): [state: string, word: string] {
  if (run.status !== "running") return [run.status, run.status.replace("_", " ")];
  const codes = new Set(reasons.map((one) => one.code));
  if (codes.has("attempt_running")) return ["running", "running"];
  if (codes.has("no_consumer") || codes.has("unrouted")) return ["degraded", "no worker"];
  if (codes.has("backing_off")) return ["retrying", "retrying"];
  if (["approval", "signal", "event", "timer", "child_run"].some((code) => codes.has(code))) return ["waiting", "waiting"];
  return ["running", "running"];
}

/** The sentence without what it says to whoever sits at a command line: here a button stands beside it. */
export const sentenceOf = (reason: Reason): string => reason.sentence.replace(/; baton [a-z].*$/, "");

/** The shape before a reason. */
export function shownAs(reason: Reason, status: string): string {
  switch (reason.code) {
    case "closed": return status;
    case "no_consumer": case "unrouted": case "unreadable": case "store_away": case "broker_away": case "partition_elsewhere": return "failing";
    case "backing_off": return "backing_off";
    case "dead_letter": case "undo_failed": return "dead";
    case "task_held": case "task_paused": case "run_paused": case "workflow_paused": case "limit_full": case "rate_limited": case "broker_blocked": return "paused";
    case "attempt_running": case "consumers_busy": case "goes_on": case "child_run": case "outbox_behind": return "running";
    default: return "waiting";
  }
}

/** What comes at the time until which it lasts. */
export const untilWord = (code: string): string => (code === "backing_off" || code === "task_held" ? "again" : code === "timer" ? "goes on" : "at the latest");
