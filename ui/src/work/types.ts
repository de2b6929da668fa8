// Runs, steps and dead letters, as the API tells of them.
export interface Run {
  id: string; workflow: string; version: number; status: string; started_at: string; closed_at: string | null; error_type: string | null; error: string | null; seq: number; labels?: Record<string, string>; key?: string | null;
}
interface Problem { type?: string; title?: string; detail?: string; attempt?: boolean; [other: string]: unknown }
export interface Attempt { attempt: number; max_attempts: number; dispatched_at: string; started_at?: string; closed_at: string | null; outcome: string | null; worker?: string; verify?: "asks" | "done" | "not_done"; error?: Problem; retry_at?: string }
interface Wait { signal?: string; approval?: { title?: string; by?: string[]; quorum?: number }; first_of?: { signal?: string; at?: string }[] }
export interface Step {
  step: string; undo: boolean; task: string | null; status: string; attempts: Attempt[]; input?: unknown; output?: unknown; error?: Problem; reason?: string; caught?: boolean; until?: string; waits_for?: Wait; items?: number;
  started_at?: string; closed_at?: string;
}
interface Fact { fact: string; step?: string; actor?: string; reason?: string; text?: string; [other: string]: unknown }
export interface Entry { seq: number; at: string; facts: Fact[] }
export interface Letter {
  id: number; state: string; at: string; closed_at: string | null; closed_by: string | null; close_reason: string | null; job: number | null; again_of: number | null; group: string; reason: string; task: string; run: string | null;
  workflow: string | null; version: number; step: string | null; attempts: number; error_type: string | null; error: Problem | null; input: unknown; message: unknown;
}
export interface WholeRun extends Run {
  input: unknown; output: unknown; steps: Step[]; pause: { actor: string | null; reason: string | null; at: string } | null; closing: { as: string; phase: string } | null; awaits?: string; requests: (Fact & { at: string })[]; history: Entry[];
  history_next: number | null; dead_letters: Letter[]; incident?: string;
}
export interface TaskLook { task: string; queue: boolean; waiting: number; workers: number; held?: string }
export interface Pause { task?: string; workflow?: string; actor: string; reason: string; at: string }
export interface Cause { group: string; count: number; first: string; last: string; task: string; reason: string; error_type: string | null; detail: string | null; example: number }
/** An act on many: over runs that a query found, or over dead letters. */
export interface Operation { id: string; kind: "runs" | "dead"; action: string; state: string; q?: string; filter?: unknown; actor: string; rate: string | null; stop_after: number | null; reason?: string | null; total: number; total_is_exact: boolean; done: number; refused: number; failures?: number; unfit?: number; note: string | null; at: string; closed_at: string | null }
export interface DeadJob { job: number; action: string; state: string; at: string; actor: string; filter: unknown; rate: string | null; stop_after: number | null; reason: string | null; total: number; done: number; refused: number; failures: number; closed_at: string | null; note: string | null }
interface Box { path: string; title: string; kind: string; detail: string; notes: string[]; parent: string | null; block: boolean; x: number; y: number; width: number; height: number; status?: string; items?: unknown }
export interface Graph { title: string; width: number; height: number; nodes: Box[]; edges: { from: string; to: string; kind: string; label: string; points: [number, number][] }[] }

export const is_closed = (run: { status: string }): boolean => !["queued", "running", "paused", "compensating"].includes(run.status);
/** What of a step stands in the row of a run. */
export const problemText = (problem: Problem | null | undefined): string => (problem ? [problem.type, problem.detail].filter(Boolean).join(": ") : "");
