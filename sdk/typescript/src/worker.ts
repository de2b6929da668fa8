// A worker on amqplib.
//
//   delivery → (turn of its key) → free place → handler → report → confirm → ack
//
// Tasks that ask for heartbeats are acked when they begin, after a confirmed `started`, and reported alive while the
// handler works. Reports outlive a lost connection; tasks that were not acked come again and are answered from
// memory if they are done.
import type { ConsumeMessage } from "amqplib";
import os from "node:os";
import { announcedType, announceExchange, announceInterval, announcement, farewell, goneType } from "./announcement.js";
import {
  BackOff, type Cause, Holds, memoryKey, Problem, readTask, type Report, report, reportOfError, reportOfResult, type TaskInfo,
  temporary, turnKey,
} from "./contract.js";
import { type About, Link, textOf, withResolvers } from "./link.js";
import { type Memory, ProcessMemory } from "./memory.js";
import { checkSchema, refusal, type Schema } from "./schema.js";
import { beatInterval, Task } from "./task.js";

export type Log = (level: "info" | "warning" | "error", text: string) => void;
export type Handler<Parameters = Record<string, any>> = (task: Task<Parameters>) => unknown;

export interface WorkerOptions {
  /** The variable BATON_AMQP unless given. */
  url?: string;
  /** For logs, reports and the broker's tools. */
  name?: string;
  /** Handlers that run at once (16). */
  tasks?: number;
  /** Tasks held per type (twice as many). */
  prefetch?: number;
  /** Consume mail.create.eu instead of mail.create: "eu". */
  queue?: string;
  /** Where results are remembered (in the process). */
  memory?: Memory;
  /** Of your worker, as `baton workers` shows it. */
  version?: string;
  /** Milliseconds that running handlers get after SIGTERM (30,000). */
  grace?: number;
  log?: Log;
}

export interface TaskOptions {
  /** Others are refused: see schema.ts. */
  parameters?: Schema;
}

interface Kind {
  type: string;
  queue: string;
  handler: Handler<any>;
  schema: Schema | undefined;
}

/** A task between delivery and ack. */
interface Assignment {
  kind: Kind;
  task: Task<any>;
  link: Link;
  message: ConsumeMessage;
  isAcked: boolean;
  isTelling: boolean;
}

/** How often a queue that is missing is looked for. */
const lookPause = 1000;
/** Progress is sent at most this often. */
const progressPause = 50;
/** A report that the broker does not take is sent again after this. */
const reportPause = 200;
/** Given back, not reported. */
const givenBack = Symbol("given back");

function print(level: string, text: string): void {
  console.log(`${new Date().toISOString()} ${level} ${text}`);
}

export class Worker {
  readonly name: string;
  private readonly url: string | undefined;
  private readonly tasks: number;
  private readonly prefetch: number;
  private readonly queue: string;
  private readonly memory: Memory;
  private readonly grace: number;
  private readonly version: string;
  private readonly log: Log;
  private readonly kinds = new Map<string, Kind>();
  private readonly holds = new Holds();
  private readonly recent = new ProcessMemory(1024);  // last reports by token
  private readonly complained = new Set<string>();
  private readonly running = new Set<Assignment>();
  private readonly turns = new Set<string>();          // keys of what runs
  private pending: Assignment[] = [];
  private places: number;
  private link: Link | undefined;
  private isStopping = false;
  private givesUp = false;
  private readonly stopped = withResolvers<void>();
  private readonly drained = withResolvers<void>();

  constructor(options: WorkerOptions = {}) {
    this.url = options.url;
    this.name = `${options.name ?? "worker"}@${os.hostname()}:${process.pid}`;
    this.tasks = this.places = options.tasks ?? 16;
    this.prefetch = options.prefetch ?? 2 * this.tasks;
    this.queue = options.queue ?? "";
    this.memory = options.memory ?? new ProcessMemory();
    this.grace = options.grace ?? 30_000;
    this.version = options.version ?? "baton-worker for Node";
    this.log = options.log ?? print;
  }

  /** Who performs a task type. */
  task<Parameters = Record<string, any>>(type: string, handler: Handler<Parameters>): this;
  task<Parameters = Record<string, any>>(type: string, options: TaskOptions, handler: Handler<Parameters>): this;
  task(type: string, ...rest: [Handler<any>] | [TaskOptions, Handler<any>]): this {
    const [options, handler] = rest.length === 2 ? rest : [{}, rest[0]];
    if (options.parameters) checkSchema(options.parameters);
    const queue = `baton.task.${type}${this.queue && `.${this.queue}`}`;
    this.kinds.set(type, { type, queue, handler, schema: options.parameters });
    return this;
  }

  /** As SIGTERM. */
  stop(): void {
    this.isStopping = true;
    this.stopped.resolve();
  }

  /** Until SIGTERM, SIGINT or stop(): finishes what runs, gives back the rest. */
  async run(): Promise<void> {
    const stop = () => this.stop();
    process.on("SIGTERM", stop).on("SIGINT", stop);
    const link = this.keepConnected();
    try {
      await this.stopped.promise;
      await this.finish();
    } finally {
      process.off("SIGTERM", stop).off("SIGINT", stop);
      await this.link?.close();
      await link;
    }
    this.log("info", "stopped");
  }

  // --- the connection -----------------------------------------------------------------------------

  private async keepConnected(): Promise<void> {
    const pause = new BackOff();
    while (!this.givesUp) {
      let reason: unknown;
      try {
        const link = await Link.open(this.url, this.name, this.prefetch);
        pause.reset();
        this.log("info", `connected as ${this.name}`);
        this.link = link;
        reason = await this.serve(link);
      } catch (error) {
        reason = error;
      }
      await this.link?.close();
      this.link = undefined;
      this.pending = [];  // they come again
      this.settle();
      if (this.givesUp) return;
      const milliseconds = pause.pause(Math.random());
      this.log("warning", `no connection: ${textOf(reason)}; again in ${(milliseconds / 1000).toFixed(1)} s`);
      await this.rest(milliseconds);
    }
  }

  /** Ends early when the worker has nothing more to do. */
  private async rest(milliseconds: number): Promise<void> {
    const timer = withResolvers<void>();
    const handle = setTimeout(timer.resolve, milliseconds);
    await Promise.race([timer.promise, this.drained.promise]);
    clearTimeout(handle);
  }

  /** Until the connection is lost: looks for queues that are missing. */
  private async serve(link: Link): Promise<Error> {
    while (!link.isLost) {
      if (!this.isStopping && (!link.hearsCancels || link.consumers.size < this.kinds.size)) await this.lookForQueues(link);
      if (!this.isStopping && Date.now() >= link.announcesAt) await this.announce(link);
      const timer = withResolvers<undefined>();
      const handle = setTimeout(() => timer.resolve(undefined), lookPause);
      await Promise.race([link.lost, timer.promise]);
      clearTimeout(handle);
    }
    return link.lost;
  }

  private async lookForQueues(link: Link): Promise<void> {
    for (const kind of this.kinds.values()) {
      if (link.consumers.has(kind.type) || this.isStopping) continue;
      try {
        await link.aside((channel) => channel.checkQueue(kind.queue));
      } catch (error) {
        if (link.isLost) throw error;
        this.complain(kind.type, `waiting for a workflow that uses ${kind.type}: ${textOf(error)}`);
        continue;
      }
      this.complained.delete(kind.type);
      if (this.isStopping) return;
      const { consumerTag } = await link.do(link.tasks.consume(kind.queue, (message) => {
        if (message) return this.take(kind, link, message);
        this.log("warning", `the queue of ${kind.type} is gone`);
        link.consumers.delete(kind.type);
      }));
      if (this.isStopping) {  // meanwhile; who stops has seen the others only
        link.tasks.cancel(consumerTag).catch(() => {});
        return;
      }
      link.consumers.set(kind.type, consumerTag);
      this.log("info", `ready for ${kind.type}`);
    }
    if (link.hearsCancels) return;
    try {
      await this.listenForCancels(link);
    } catch (error) {
      if (link.isLost) throw error;
      this.complain("cancels", `hears no cancels yet: ${textOf(error)}`);
    }
  }

  /** Who may not, or finds no such exchange yet, works all the same. */
  private async announce(link: Link): Promise<void> {
    link.announcesAt = Date.now() + announceInterval;
    try {
      await link.aside(async (channel) => {
        channel.on("error", ({ code }: { code?: number }) => {
          if (code === 403) link.announcesAt = Infinity;
        });
        await channel.checkExchange(announceExchange);
        for (const { type, queue, schema } of this.kinds.values()) {
          const body = announcement({ type, queue, schema, worker: this.name, concurrency: this.tasks, version: this.version });
          channel.publish(announceExchange, type, Buffer.from(body), {
            type: announcedType, contentType: "application/json", expiration: 3 * announceInterval,
          });
        }
      });
      link.hasAnnounced = true;
    } catch (error) {
      if (link.isLost) throw error;
    }
  }

  private async sayGoodbye(): Promise<void> {
    const [type] = this.kinds.keys();
    if (!this.link?.hasAnnounced || this.link.isLost || type === undefined) return;
    await this.link.aside(async (channel) => {
      channel.publish(announceExchange, type, Buffer.from(farewell(this.name)), { type: goneType, contentType: "application/json" });
    }).catch(() => {});
  }

  private complain(about: string, text: string): void {
    if (!this.complained.has(about)) this.log("warning", text);
    this.complained.add(about);
  }

  private async listenForCancels(link: Link): Promise<void> {
    const channel = await link.do(link.connection.createChannel());
    channel.on("error", () => {
      link.hearsCancels = false;
    });
    await link.do(channel.checkExchange("baton.control"));
    const { queue } = await link.do(channel.assertQueue("", { exclusive: true, autoDelete: true }));
    for (const type of this.kinds.keys()) await link.do(channel.bindQueue(queue, "baton.control", `cancel.${type}`));
    await link.do(channel.consume(queue, (message) => {
      const token = message?.properties.correlationId;
      for (const one of token ? [...this.pending, ...this.running] : []) if (one.task.info.token === token) one.task.end("cancelled");
    }, { noAck: true }));
    link.hearsCancels = true;
  }

  private async finish(): Promise<void> {
    this.log("info", `stopping: ${this.running.size} run, ${this.pending.length} are given back`);
    for (const one of this.pending.splice(0)) this.giveBack(one);
    for (const tag of this.link?.consumers.values() ?? []) await this.link?.do(this.link.tasks.cancel(tag)).catch(() => {});
    for (const one of this.pending.splice(0)) this.giveBack(one);
    const graceIsOver = setTimeout(() => this.endAll("stopping"), this.grace);
    // Handlers that heed their signal have another moment to end.
    const patience = setTimeout(this.drained.resolve, this.grace + Math.min(5000, this.grace));
    this.settle();
    await this.drained.promise;
    clearTimeout(graceIsOver);
    clearTimeout(patience);
    await this.sayGoodbye();
    this.givesUp = true;
  }

  private endAll(why: Cause): void {
    for (const one of this.running) one.task.end(why);
  }

  /** Looks whether a worker that stops is done. */
  private settle(): void {
    if (this.isStopping && this.running.size === 0) this.drained.resolve();
  }

  // --- one task -----------------------------------------------------------------------------------

  private take(kind: Kind, link: Link, message: ConsumeMessage): void {
    const { correlationId, replyTo, headers } = message.properties;
    const arrived = { body: message.content, token: correlationId, replyTo, headers };
    let info: TaskInfo, wrong: Problem | undefined;
    try {
      info = readTask(kind.type, arrived);
      wrong = refusal(kind.schema, info.parameters);
    } catch (error) {
      info = readTask(kind.type, { ...arrived, body: Buffer.alloc(0), headers: {} });
      wrong = error as Problem;
    }
    const task = new Task(info, (_, said) => this.tell(one, said));
    const one: Assignment = { kind, task, link, message, isAcked: false, isTelling: false };
    if (this.isStopping) return this.giveBack(one);
    if (wrong) {
      this.running.add(one);
      void this.close(one, report("failed", wrong));
      return;
    }
    this.pending.push(one);
    this.startPending();
  }

  /** In the order in which they came, but for those whose key is at work. */
  private startPending(): void {
    for (let i = 0; i < this.pending.length && this.places > 0;) {
      const one = this.pending[i]!;
      const turn = turnKey(one.task.info);
      if (turn && this.turns.has(turn)) {
        i++;
        continue;
      }
      this.pending.splice(i, 1);
      this.running.add(one);
      if (turn) this.turns.add(turn);
      this.places--;
      void this.goThrough(one).finally(() => {
        if (turn) this.turns.delete(turn);
        this.places++;
        this.startPending();
      });
    }
  }

  private giveBack(one: Assignment): void {
    if (!one.isAcked) one.link.quietly(() => one.link.tasks.nack(one.message, false, true));
  }

  /** Never fails. */
  private async goThrough(one: Assignment): Promise<void> {
    let said: Report | typeof givenBack = givenBack;
    try {
      said = (await this.knownAnswer(one.task)) ?? (await this.perform(one));
    } catch (error) {
      // The connection, not the handler: the task comes again.
      this.log("warning", `${one.kind.type} comes again: ${textOf(error)}`);
    }
    await this.close(one, said);
  }

  private async close(one: Assignment, said: Report | typeof givenBack): Promise<void> {
    const { info } = one.task;
    if (said === givenBack) {
      this.giveBack(one);
    } else {
      if (info.token) this.recent.put(info.token, JSON.stringify(said));
      // A caller without a run waits for one answer, which comes later then.
      const isSafe = (said.kind === "deferred" && !info.run) || (await this.reportSafely(this.about(one, said)));
      if (isSafe && !one.isAcked) one.link.quietly(() => one.link.tasks.ack(one.message));
    }
    this.running.delete(one);
    this.settle();
  }

  /** What can be said without calling the handler. */
  private async knownAnswer({ info, cause }: Task<any>): Promise<Report | undefined> {
    const known = info.token ? this.recent.get(info.token) : undefined;
    if (known) return JSON.parse(known) as Report;
    if (cause === "cancelled") return report("cancelled");
    if (memoryKey(info)) {
      try {
        const body = await this.memory.get(memoryKey(info));
        if (body !== undefined) return { kind: "completed", body };
      } catch (error) {
        this.log("error", `the memory cannot be read: ${textOf(error)}`);
      }
    }
    if (info.deadline && info.deadline.getTime() < Date.now())
      return report("failed", temporary("baton.expired", "the task's deadline had passed before it began"));
    const held = this.holds.problem(info.type, Date.now());
    return held && report("failed", held);
  }

  private async perform(one: Assignment): Promise<Report | typeof givenBack> {
    const { task, kind, link } = one;
    const { info } = task;
    if (this.isStopping || link.isLost) return givenBack;
    const started = this.about(one, report("started", { worker: this.name }));
    if (info.heartbeat !== undefined) {
      if (info.replyTo) await link.publish(started);
      link.tasks.ack(one.message);
      one.isAcked = true;
    } else if (info.run) {
      this.sayInOrder(one, report("started", { worker: this.name }));
    }
    task.begin();
    const beat = info.heartbeat === undefined ? undefined
      : setInterval(() => this.sayProgress(one), beatInterval(info.heartbeat));
    const timer = info.timeout === undefined ? undefined
      : setTimeout(() => task.end("timeout"), Math.min(info.timeout, 0x7fffffff));
    try {
      const said = reportOfResult(await kind.handler(task));
      if (said.kind === "completed" && memoryKey(info)) await this.remember(memoryKey(info), said.body);
      return said;
    } catch (error) {
      if (error instanceof Problem && error.options.attempt === false) this.holds.hold(kind.type, error, Date.now());
      const isKnown = error instanceof Problem || task.isCancelled;
      const why = isKnown || !(error instanceof Error) ? textOf(error) : error.stack ?? textOf(error);
      this.log(isKnown ? "info" : "error", `${kind.type} of run ${info.run || "none"}: ${why}`);
      return reportOfError(error, info, task.cause) ?? givenBack;
    } finally {
      clearInterval(beat);
      clearTimeout(timer);
    }
  }

  private async remember(key: string, body: string): Promise<void> {
    try {
      await this.memory.put(key, body);
    } catch (error) {
      this.log("error", `the memory cannot be written: ${textOf(error)}`);
    }
  }

  // --- reports ------------------------------------------------------------------------------------

  private about({ task: { info } }: Assignment, { kind, body }: Report): About {
    return { kind, body, token: info.token, replyTo: info.replyTo };
  }

  /** Until the broker has it for good; false if that will not happen any more. */
  private async reportSafely(about: About): Promise<boolean> {
    if (!about.replyTo) return true;
    for (;;) {
      try {
        if (this.link && !this.link.isLost) {
          await this.link.publish(about);
          return true;
        }
      } catch {
        // lost with its connection, or refused for the moment: once more
      }
      if (this.givesUp) return false;
      const { promise, resolve } = withResolvers<void>();
      setTimeout(resolve, reportPause);
      await promise;
    }
  }

  /** Where the result goes, too: between two channels there is no order. */
  private sayInOrder(one: Assignment, said: Report): void {
    if (one.task.info.replyTo) this.link?.publish(this.about(one, said)).catch(() => {});
  }

  private sayProgress(one: Assignment): void {
    this.link?.say(this.about(one, report("heartbeat", one.task.lastTold)));
  }

  private tell(one: Assignment, said: Report): void {
    if (!one.task.info.run) return;
    if (said.kind !== "heartbeat") {
      this.sayInOrder(one, said);
    } else if (!one.isTelling) {
      // The newest is enough, and now and then.
      one.isTelling = true;
      setTimeout(() => {
        one.isTelling = false;
        if (this.running.has(one)) this.sayProgress(one);
      }, progressPause);
    }
  }
}
