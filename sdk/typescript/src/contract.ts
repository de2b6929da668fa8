// Tasks and reports as values, and how they look as AMQP messages. Pure: no sockets, no clock.
import { Buffer } from "node:buffer";

/** Any JSON. */
export type Json = null | boolean | number | string | Json[] | { [name: string]: Json };

/** More than this nobody takes as a result. */
export const bodyBytesMax = 16 * 1024 * 1024;

export interface ProblemOptions {
  title?: string;
  status?: number;
  /** Own fields, any JSON. */
  data?: unknown;
  /** Seconds: not before. */
  retryAfter?: number;
}

/** What a handler throws to say why it failed. Workflows compare `type`; people read `detail`. */
export class Problem extends Error {
  override readonly name = "Problem";

  constructor(readonly type: string, readonly detail = "",
              readonly options: ProblemOptions & { retryable?: boolean; attempt?: boolean } = {}) {
    super(detail ? `${type}: ${detail}` : type);
  }

  toJSON(): Record<string, unknown> {
    const { title, status, data, retryAfter, retryable = true, attempt = true } = this.options;
    return {
      type: this.type, retryable,
      ...(title && { title }), ...(this.detail && { detail: this.detail }), ...(status && { status }),
      ...(data !== undefined && { data }), ...(retryAfter !== undefined && { retry_after: retryAfter }),
      ...(!attempt && { attempt: false }),
    };
  }
}

/** Will not get better by itself: the same parameters fail again. `throw permanent(...)`. */
export function permanent(type: string, detail = "", options: Omit<ProblemOptions, "retryAfter"> = {}): Problem {
  return new Problem(type, detail, { ...options, retryable: false });
}

/** May work later; not before `retryAfter` seconds. */
export function temporary(type: string, detail = "", options: ProblemOptions = {}): Problem {
  return new Problem(type, detail, options);
}

/**
 * The target did not let us try (429, maintenance, wrong key): uses up no attempt, however often. The worker answers its
 * other tasks of this type the same, without asking the target, until `retryAfter` seconds are over.
 */
export function notNow(type: string, detail = "", options: ProblemOptions = {}): Problem {
  return new Problem(type, detail, { ...options, attempt: false });
}

/** Why nobody waits for the result of a task any more. */
export type Cause = "cancelled" | "timeout" | "stopping";

/** The reason of a task's `signal`, thrown by everything that heeds it. */
export class TaskEnded extends Error {
  override readonly name = "TaskEnded";

  constructor(readonly why: Cause) {
    super(`the task has ended: ${why}`);
  }
}

/** What a handler returns when the result comes later, from somewhere else: see `complete` and `Task.handle`. */
export class Deferred {
  constructor(readonly until?: Date) {}
}

export type Headers = Readonly<Record<string, unknown>>;

/** One attempt at a task, as the server sent it. Durations are milliseconds. */
export interface TaskInfo {
  readonly type: string;
  readonly parameters: Readonly<Record<string, any>>;
  readonly token: string;
  readonly replyTo: string;
  readonly idempotencyKey: string;
  readonly workflow: string;
  readonly version: number;
  readonly run: string;
  readonly step: string;
  readonly item: string;
  readonly attempt: number;
  readonly maxAttempts: number;
  readonly timeout?: number;
  readonly deadline?: Date;
  readonly heartbeat?: number;
  readonly lastProgress?: any;
  readonly traceparent: string;
  readonly tracestate: string;
  readonly headers: Headers;
}

/** What is published: the property `type` and the body. */
export interface Report {
  readonly kind: string;
  readonly body: string;
}

// --- reading ------------------------------------------------------------------------------------------

function textOf(headers: Headers, name: string): string {
  const value = headers[name];
  if (value === undefined || value === null) return "";
  return Buffer.isBuffer(value) ? value.toString("utf8") : String(value);
}

function numberOf(headers: Headers, name: string): number | undefined {
  const text = textOf(headers, name);
  const number = Number(text);
  return text !== "" && Number.isFinite(number) ? Math.trunc(number) : undefined;
}

function millisOf(headers: Headers, name: string): number | undefined {
  const millis = numberOf(headers, name);
  return millis !== undefined && millis > 0 ? millis : undefined;
}

export interface Arrived {
  body: Buffer;
  token?: string | undefined;
  replyTo?: string | undefined;
  headers?: Headers | undefined;
}

/** Throws a Problem that can be sent back if this cannot be a task. */
export function readTask(type: string, { body, token = "", replyTo = "", headers = {} }: Arrived): TaskInfo {
  if (body.length === 0 && textOf(headers, "baton-blob"))
    throw permanent("baton.bad_task", "the parameters are in a blob (header baton-blob), which this worker cannot fetch");
  let parameters: unknown = {};
  if (body.length > 0) {
    try {
      parameters = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(body));
    } catch (error) {
      throw permanent("baton.bad_task", `the body is not JSON: ${(error as Error).message}`);
    }
  }
  if (typeof parameters !== "object" || parameters === null || Array.isArray(parameters))
    throw permanent("baton.bad_task", "the parameters must be a JSON object");
  let lastProgress: unknown;
  try {
    lastProgress = JSON.parse(textOf(headers, "baton-last-progress"));
  } catch {
    lastProgress = undefined;
  }
  const timeout = millisOf(headers, "baton-timeout"), heartbeat = millisOf(headers, "baton-heartbeat");
  const deadline = millisOf(headers, "baton-deadline");
  return {
    type, token, replyTo, headers, parameters: parameters as Record<string, any>,
    idempotencyKey: textOf(headers, "baton-idempotency-key"), workflow: textOf(headers, "baton-workflow"),
    version: numberOf(headers, "baton-version") ?? 0, run: textOf(headers, "baton-run"), step: textOf(headers, "baton-step"),
    item: textOf(headers, "baton-item"), attempt: Math.max(1, numberOf(headers, "baton-attempt") ?? 1),
    maxAttempts: Math.max(0, numberOf(headers, "baton-max-attempts") ?? 0),
    traceparent: textOf(headers, "traceparent"), tracestate: textOf(headers, "tracestate"),
    ...(timeout !== undefined && { timeout }), ...(heartbeat !== undefined && { heartbeat }),
    ...(deadline !== undefined && { deadline: new Date(deadline) }), ...(lastProgress !== undefined && { lastProgress }),
  };
}

/** All that somebody needs who completes a deferred task: a text to be stored. */
export function handleOf(info: Pick<TaskInfo, "replyTo" | "token">): string {
  return Buffer.from(JSON.stringify([info.replyTo, info.token])).toString("base64url");
}

export function readHandle(handle: string): { replyTo: string; token: string } {
  try {
    const [replyTo, token] = JSON.parse(Buffer.from(handle, "base64url").toString("utf8"));
    if (typeof replyTo === "string" && typeof token === "string") return { replyTo, token };
  } catch {
    // said below
  }
  throw new TypeError("this is no handle of a task");
}

// --- reporting ----------------------------------------------------------------------------------------

/** A report of any kind. A result that is no JSON, or is too large, becomes a failure that says so. */
export function report(kind: string, content: unknown = {}): Report {
  const refuse = (why: string) => report("failed", permanent("baton.bad_report", why));
  let body: string | undefined;
  try {
    body = JSON.stringify(content, (name, value) => {
      if (typeof value === "number" && !Number.isFinite(value)) throw new TypeError(`${name || "it"} is ${value}`);
      return value;
    });
  } catch (error) {
    return refuse(`the handler's result is not JSON: ${(error as Error).message}`);
  }
  if (body === undefined) return refuse(`the handler's result is not JSON: it is a ${typeof content}`);
  const bytes = Buffer.byteLength(body);
  return bytes > bodyBytesMax ? refuse(`the result has ${bytes} bytes, at most ${bodyBytesMax} are taken`) : { kind, body };
}

/** What a handler returned; nothing is null. */
export function reportOfResult(result: unknown): Report {
  if (result instanceof Deferred) return report("deferred", result.until ? { until: result.until.toISOString() } : {});
  return report("completed", result === undefined ? null : result);
}

/** What is said about a handler that threw; nothing: the task is given back. */
export function reportOfError(error: unknown, info: TaskInfo, why?: Cause): Report | undefined {
  if (why === "cancelled") return report("cancelled");
  if (why === "timeout") return report("failed", temporary("timeout", `not done within ${(info.timeout ?? 0) / 1000} s`));
  if (why === "stopping") {
    // With heartbeats it was acked at its beginning, so it cannot be given back; that this process ends is nobody's attempt.
    return info.heartbeat === undefined ? undefined
      : report("failed", notNow("worker_stopped", "the worker was stopped", { retryAfter: 0 }));
  }
  if (error instanceof Problem) return report("failed", error);
  if (error instanceof Error) return report("failed", new Problem(error.name, error.message));
  return report("failed", new Problem("error", String(error)));
}

/** Under which the result of this task is remembered; empty: it has no identity but its own. */
export function memoryKey(info: TaskInfo): string {
  return info.idempotencyKey ? `${info.type} ${info.idempotencyKey}` : "";
}

/** Tasks with the same text never run at once in one process. */
export function turnKey(info: TaskInfo): string {
  return memoryKey(info) || (info.token ? `token ${info.token}` : "");
}

/** Task types whose target said "not now": until when, and what it said. */
export class Holds {
  /** Without `retryAfter` the target is left alone for so many seconds. */
  static readonly pause = 5;
  private readonly held = new Map<string, { until: number; problem: Problem }>();

  hold(type: string, problem: Problem, now: number): void {
    this.held.set(type, { until: now + (problem.options.retryAfter ?? Holds.pause) * 1000, problem });
  }

  /** The answer to a task that need not be tried, with what is left of the pause. */
  problem(type: string, now: number): Problem | undefined {
    const held = this.held.get(type);
    if (!held) return undefined;
    if (now >= held.until) {
      this.held.delete(type);
      return undefined;
    }
    return notNow(held.problem.type, held.problem.detail, { ...held.problem.options, retryAfter: (held.until - now) / 1000 });
  }
}

/** Pauses between attempts to connect, in milliseconds: doubled each time, a little different for each process. */
export class BackOff {
  private next: number;

  constructor(private readonly first = 200, private readonly most = 5_000) {
    this.next = first;
  }

  reset(): void {
    this.next = this.first;
  }

  /** `chance` is a random number from 0 to 1. */
  pause(chance: number): number {
    const pause = this.next;
    this.next = Math.min(this.most, this.next * 2);
    return pause * (0.75 + chance / 2);
  }
}
