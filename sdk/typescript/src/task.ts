// What a handler is given.
import { type Cause, handleOf, report, type Report, TaskEnded, type TaskInfo } from "./contract.js";
import { setTimeout as sleep } from "node:timers/promises";

/** Heartbeats are sent this many times within the interval that the task asks for. */
const beats = 3;

export function beatInterval(heartbeat: number): number {
  return Math.max(heartbeat / beats, 50);
}

/** One attempt at a task. */
export class Task<Parameters = Record<string, any>> {
  /** What progress() told last. */
  lastTold: unknown = {};
  private readonly ending = new AbortController();
  private began = Date.now();

  constructor(readonly info: TaskInfo, private readonly tell: (task: Task<any>, said: Report) => void) {}

  get parameters(): Readonly<Parameters> {
    return this.info.parameters as Parameters;
  }

  /** The same for all attempts at this work: the target is asked by it whether the work is done. */
  get idempotencyKey(): string {
    return this.info.idempotencyKey;
  }

  /** What the previous attempt told last by progress(), to go on from there; undefined at the first. */
  get lastProgress(): any {
    return this.info.lastProgress;
  }

  /** For `complete` and `fail` from elsewhere, when the handler returns `Deferred`. */
  get handle(): string {
    return handleOf(this.info);
  }

  /** Aborted when nobody waits for the result any more: give it to fetch() and the like. */
  get signal(): AbortSignal {
    return this.ending.signal;
  }

  get isCancelled(): boolean {
    return this.ending.signal.aborted;
  }

  /** Why nobody waits any more. */
  get cause(): Cause | undefined {
    return this.ending.signal.aborted ? (this.ending.signal.reason as TaskEnded).why : undefined;
  }

  /** Throws TaskEnded if nobody waits any more. Long handlers call it between two steps. */
  check(): void {
    this.ending.signal.throwIfAborted();
  }

  /** Throws TaskEnded as soon as nobody waits any more. */
  async sleep(milliseconds: number): Promise<void> {
    try {
      await sleep(milliseconds, undefined, { signal: this.ending.signal });
    } catch (error) {
      this.check();
      throw error;
    }
  }

  /** Milliseconds until the attempt's time is up; undefined without a limit. */
  get remaining(): number | undefined {
    return this.info.timeout === undefined ? undefined : Math.max(0, this.began + this.info.timeout - Date.now());
  }

  /** Any JSON, often { percent: 40, message: "…" }; a later attempt finds it as lastProgress. */
  progress(value: unknown): void {
    this.lastTold = value;
    this.tell(this, report("heartbeat", value));
  }

  /** A line in the run's log. */
  log(text: string, level = "info"): void {
    this.tell(this, report("log", { level, text }));
  }

  // --- for workers

  begin(): void {
    this.began = Date.now();
  }

  end(why: Cause): void {
    if (!this.ending.signal.aborted) this.ending.abort(new TaskEnded(why));
  }
}
