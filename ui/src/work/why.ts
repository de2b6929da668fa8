// Why a run is where it is: one sentence for the whole, one for each step that it waits for, and what would help. Of
// "nobody serves it" and "all are busy" neither is said unless it is so at this moment. Pure.
import { duration } from "../format";
import { is_closed, problemText, type Step, type TaskLook, type WholeRun } from "./types";

export interface Reason {
  code: string;
  text: string;
  step?: Step;
  task?: string;
  until?: string;
}

const left = (until: string, now: number): string => {
  const seconds = (new Date(until).getTime() - now) / 1000;
  return seconds > 0 ? `in ${duration(seconds)}` : "now";
};

function ofStep(step: Step, look: (task: string) => TaskLook | undefined, now: number): Reason | null {
  const last = step.attempts.at(-1);
  const say = (code: string, text: string, until?: string): Reason => ({ code, text, step, ...(step.task ? { task: step.task } : {}), ...(until ? { until } : {}) });
  switch (step.status) {
    case "dispatched": {
      if (last?.worker) return say("attempt_running", `${last.worker} works on it${last.started_at ? `, for ${duration((now - new Date(last.started_at).getTime()) / 1000)}` : ""}`);
      const seen = step.task ? look(step.task) : undefined;
      if (!seen) return say("attempt_running", "its task is with the broker");
      if (seen.held) return say("held", seen.held);
      if (!seen.queue) return say("unrouted", `there is no queue for ${seen.task}: no worker has named it`);
      if (seen.workers === 0) return say("no_consumer", `no worker serves ${seen.task} just now; ${seen.waiting} tasks wait`);
      return say("consumers_busy", `its task is with the workers: ${seen.workers} serve ${seen.task}, ${seen.waiting} tasks wait there`);
    }
    case "backing_off": {
      const isHeld = last?.error?.attempt === false;
      const what = isHeld ? "its target lets no worker try" : `attempt ${last?.attempt} of ${last?.max_attempts} failed`;
      return say("backing_off", `${what}: ${problemText(last?.error)}; tried again ${last?.retry_at ? left(last.retry_at, now) : "later"}`, last?.retry_at);
    }
    case "held": return say("task_paused", step.reason ?? "it is held back");
    case "deferred": return say("signal", `its worker reports later, ${step.until ? left(step.until, now) + " at the latest" : "some time"}`, step.until);
    case "dead": return say("dead_letter", `it gave up: ${problemText(last?.error ?? step.error) || step.reason || "its attempts are used up"}`);
  }
  const wait = step.waits_for;
  if (wait?.approval && !["done", "skipped", "cancelled"].includes(step.status)) return say("approval", `it asks ${wait.approval.by?.join(", ") || "whoever may operate"}: ${wait.approval.title ?? step.step}`, step.until);
  if (wait?.signal && !["done", "skipped", "cancelled"].includes(step.status)) return say("signal", `it waits for the signal ${wait.signal}${step.until ? `, at most until ${left(step.until, now)}` : ""}`, step.until);
  if (wait?.first_of && step.status === "running") return say("signal", "it waits for " + wait.first_of.map((way) => (way.signal ? `the signal ${way.signal}` : `a time, ${left(way.at ?? "", now)}`)).join(" or "));
  if (step.status === "sleeping") return say("timer", `it waits, and goes on ${step.until ? left(step.until, now) : "later"}`, step.until);
  return null;
}

function ofRun(run: WholeRun, now: number): Reason | null {
  if (run.incident) return { code: "incident", text: `the run stands still: ${run.incident}` };
  if (run.status === "paused")
    return run.pause ? { code: "run_paused", text: `${run.pause.actor ?? "somebody"} let it pause ${duration((now - new Date(run.pause.at).getTime()) / 1000)} ago${run.pause.reason ? `: ${run.pause.reason}` : ""}` }
      : { code: "dead_letter", text: "a step failed for good, and somebody has to decide" };
  if (run.status === "queued") return { code: run.awaits?.startsWith("workflow ") ? "workflow_paused" : "queued_by_key", text: run.awaits?.startsWith("workflow ") ? `it has not begun: ${run.awaits}` : `it waits for a slot of its concurrency key ${run.awaits ?? ""}` };
  if (run.status === "compensating") return { code: "undoing", text: "what was done is being undone" };
  if (is_closed(run)) {
    const ends: Record<string, string> = { completed: "it is completed", failed: "it failed", cancelled: "it was cancelled", timed_out: "it took longer than it may", compensated: "it failed, and what was done is undone" };
    // A step that gave up says it itself.
    const isTold = run.steps.some((step) => step.status === "dead");
    return { code: "closed", text: (ends[run.status] ?? run.status) + (run.error && !isTold ? `: ${run.error}` : "") };
  }
  return null;
}

export function reasonsOf(run: WholeRun, look: (task: string) => TaskLook | undefined, now: number): Reason[] {
  const whole = ofRun(run, now);
  const isOver = is_closed(run);
  const steps = run.steps.filter((step) => !isOver || step.status === "dead").map((step) => ofStep(step, look, now)).filter((one) => one !== null);
  // What hinders comes first; an attempt that runs is no trouble.
  const order = (one: Reason): number => (["no_consumer", "unrouted", "held", "task_paused", "dead_letter"].includes(one.code) ? 0 : one.code === "backing_off" ? 1 : one.code === "attempt_running" ? 3 : 2);
  steps.sort((one, other) => order(one) - order(other));
  const all = [...(whole ? [whole] : []), ...steps];
  return all.length > 0 ? all : [{ code: "running", text: "nothing keeps it: it goes on just now" }];
}

/** A run in one word of state: it is not merely running when it only tries again. */
export function stateOf(run: WholeRun, reasons: Reason[]): [state: string, word: string] {
  if (run.status !== "running") return [run.status, run.status.replace("_", " ")];
  const codes = new Set(reasons.map((one) => one.code));
  if (codes.has("attempt_running")) return ["running", "running"];
  if (codes.has("no_consumer") || codes.has("unrouted")) return ["degraded", "no worker"];
  if (codes.has("backing_off")) return ["retrying", "retrying"];
  if (codes.has("approval") || codes.has("signal") || codes.has("timer")) return ["waiting", "waiting"];
  return ["running", "running"];
}
