// One connection with what a worker has on it. What waits on a connection that is lost meanwhile is told so: the library
// itself may leave it waiting for ever.
import amqp from "amqplib";

/** Says also what amqplib's own text leaves out. */
export function textOf(error: unknown): string {
  if (error instanceof AggregateError) return error.errors.map(textOf).join("; ");
  return error instanceof Error ? error.message || String((error as NodeJS.ErrnoException).code ?? error.name) : String(error);
}

/** "/" means the virtual host "/", not the one without a name. */
export function urlOf(url: string | undefined): string {
  const given = url ?? process.env["BATON_AMQP"] ?? "amqp://guest:guest@127.0.0.1:5672/";
  return given.replace(/^(amqps?:\/\/[^/?]+)\/(?=\?|$)/, "$1/%2F");
}

export interface About {
  kind: string;
  token: string;
  replyTo: string;
  body: string;
}

export class Link {
  /** Resolves with the reason when the connection or one of its channels has ended. */
  readonly lost: Promise<Error>;
  isLost = false;
  hearsCancels = false;
  hasAnnounced = false;
  /** When it is time to say again who we are; Infinity: we may not. */
  announcesAt = 0;
  /** Consumer tags by task type. */
  readonly consumers = new Map<string, string>();
  tasks!: amqp.Channel;
  reports!: amqp.ConfirmChannel;
  private lose!: (reason: Error) => void;

  private constructor(readonly connection: amqp.ChannelModel) {
    this.lost = new Promise((resolve) => {
      this.lose = (reason) => {
        this.isLost = true;
        resolve(reason);
      };
    });
    this.watch(connection);
  }

  private watch(what: { on(event: string, listener: (reason?: Error) => void): unknown }): void {
    what.on("error", (reason) => this.lose(reason ?? new Error("the connection failed")));
    what.on("close", () => this.lose(new Error("it was closed")));
  }

  static async open(url: string | undefined, name: string, prefetch: number): Promise<Link> {
    const link = new Link(await amqp.connect(urlOf(url), { timeout: 30_000, clientProperties: { connection_name: name } }));
    try {
      link.tasks = await link.do(link.connection.createChannel());
      link.watch(link.tasks);
      await link.do(link.tasks.prefetch(prefetch));
      link.reports = await link.do(link.connection.createConfirmChannel());
      link.watch(link.reports);
      return link;
    } catch (error) {
      await link.close();
      throw error;
    }
  }

  /** As `work`, but fails as soon as the connection is lost. */
  async do<T>(work: PromiseLike<T>): Promise<T> {
    const lost = this.lost.then((reason) => {
      throw reason;
    });
    lost.catch(() => {});
    return Promise.race([work, lost]);
  }

  /** On a channel of its own: what the broker refuses closes nothing else. */
  async aside<T>(work: (channel: amqp.Channel) => Promise<T>): Promise<T> {
    const channel = await this.do(this.connection.createChannel());
    channel.on("error", () => {});  // whoever waits for the answer is told
    const result = await this.do(work(channel));
    await this.do(channel.close());
    return result;
  }

  /** Resolves once the broker has it. */
  async publish({ kind, token, replyTo, body }: About, isMandatory = false): Promise<void> {
    const { promise, resolve, reject } = withResolvers<void>();
    const returned = () => reject(new Error(`nobody waits at ${replyTo}`));
    if (isMandatory) this.reports.once("return", returned);
    this.reports.publish("", replyTo, Buffer.from(body), {
      type: kind, contentType: "application/json", persistent: true, mandatory: isMandatory, ...(token && { correlationId: token }),
    }, (error) => (error ? reject(error) : resolve()));
    return this.do(promise);
  }

  /** Worth nothing later: neither confirmed nor stored. */
  say({ kind, token, replyTo, body }: About): void {
    if (!replyTo) return;
    this.quietly(() => this.tasks.publish("", replyTo, Buffer.from(body), {
      type: kind, contentType: "application/json", persistent: false, ...(token && { correlationId: token }),
    }));
  }

  /** Over a connection that is gone it is no loss: what was not acked comes again. */
  quietly(action: () => unknown): void {
    try {
      if (!this.isLost) action();
    } catch {
      // the library knew before its event
    }
  }

  async close(): Promise<void> {
    if (this.isLost) return;
    const patience = withResolvers<void>();
    const timer = setTimeout(patience.resolve, 5000);
    await Promise.race([this.connection.close().catch(() => {}), patience.promise]);
    clearTimeout(timer);
    this.lose(new Error("it was closed"));
  }
}

export function withResolvers<T>(): { promise: Promise<T>; resolve: (value: T) => void; reject: (reason: unknown) => void } {
  let resolve!: (value: T) => void, reject!: (reason: unknown) => void;
  const promise = new Promise<T>((yes, no) => {
    resolve = yes;
    reject = no;
  });
  return { promise, resolve, reject };
}
