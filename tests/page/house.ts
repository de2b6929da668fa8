// A server of its own for each file of tests: the real executable on free ports in a folder of its own, workers that
// speak AMQP, and a browser that is signed in. What a page must never do is looked at in every test: ask anybody else,
// break the content policy, throw.
import { test as base, expect, type Page } from "@playwright/test";
import amqp from "amqplib";
import { spawn, type ChildProcess } from "node:child_process";
import { mkdtempSync, openSync, readFileSync, rmSync } from "node:fs";
import { createServer, type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";

export const root = resolve(import.meta.dirname, "../..");
const executable = process.env.BATON_EXE ?? join(root, "build/ci/baton");

async function freePorts(count: number): Promise<number[]> {
  const servers = await Promise.all(Array.from({ length: count }, () => new Promise<ReturnType<typeof createServer>>((done) => {
    const server = createServer();
    server.listen(0, "127.0.0.1", () => done(server));
  })));
  const ports = servers.map((server) => (server.address() as AddressInfo).port);
  await Promise.all(servers.map((server) => new Promise((done) => server.close(done))));
  return ports;
}

export type Task = { with: Record<string, unknown>; headers: Record<string, unknown> };
/** Gives the result, throws a problem, or answers nothing. */
export type Handler = (task: Task) => unknown;
export const silence = Symbol("no answer");

export class House {
  readonly home = mkdtempSync(join(tmpdir(), "baton-page-"));
  private process?: ChildProcess;
  private connections: { close: () => Promise<void> }[] = [];
  private constructor(readonly amqp: number, readonly http: number) {}
  get url(): string { return `http://127.0.0.1:${this.http}`; }
  /** Of whom a page may ask: the server, and whatever a test puts before it. */
  readonly origins = new Set<string>();

  static async start(users = "guest:guest,vera[baton-viewer]:vera,ben[management]:ben"): Promise<House> {
    const [amqpPort, http] = await freePorts(2);
    const house = new House(amqpPort!, http!);
    await house.begin(users);
    return house;
  }

  async begin(users = "guest:guest,vera[baton-viewer]:vera,ben[management]:ben"): Promise<void> {
    const log = openSync(join(this.home, "log"), "a");
    const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith("BATON_"))) as NodeJS.ProcessEnv;
    this.process = spawn(executable, ["serve"], {
      cwd: this.home, stdio: ["ignore", log, log],
      env: { ...env, BATON_BROKER_LISTEN: `127.0.0.1:${this.amqp}`, BATON_HTTP_LISTEN: `127.0.0.1:${this.http}`, BATON_METRICS_LISTEN: "", BATON_DATA: join(this.home, "data"), BATON_BROKER_USERS: users,
        ...(process.env.BATON_UI_DIR ? { BATON_UI_DIR: process.env.BATON_UI_DIR } : {}) },
    });
    for (const until = Date.now() + 60_000; ; ) {
      const told = await fetch(this.url + "/api/health").then((answer) => answer.status, () => 0);
      if (told === 200) return;
      if (this.process.exitCode !== null || Date.now() > until) throw new Error("the server does not start:\n" + readFileSync(join(this.home, "log"), "utf8").slice(-3000));
      await new Promise((done) => setTimeout(done, 100));
    }
  }

  async api<T = any>(method: string, path: string, body?: unknown): Promise<T> {
    const answer = await fetch(this.url + path, { method, headers: { Authorization: "Basic " + btoa("guest:guest"), "Content-Type": "application/json" }, body: body === undefined ? undefined : JSON.stringify(body) });
    const text = await answer.text();
    if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${text}`);
    return (text ? JSON.parse(text) : null) as T;
  }

  deploy(source: string): Promise<unknown> {
    return this.api("POST", "/api/workflows", { source, file: "test.toml" });
  }
  async run(workflow: string, input: object = {}, key?: string): Promise<string> {
    return (await this.api<{ run: string }>("POST", "/api/runs", { workflow, input, ...(key ? { key } : {}) })).run;
  }
  async untilRun(run: string, ...statuses: string[]): Promise<any> {
    for (const until = Date.now() + 60_000; ; ) {
      const told = await this.api("GET", "/api/runs/" + run);
      if (statuses.includes(told.status)) return told;
      if (Date.now() > until) throw new Error(`run ${run} is ${told.status}, not ${statuses}: ${JSON.stringify(told).slice(0, 1500)}`);
      await new Promise((done) => setTimeout(done, 50));
    }
  }

  connect(name: string): Promise<any> {
    return amqp.connect(`amqp://guest:guest@127.0.0.1:${this.amqp}/`, { clientProperties: { connection_name: name } }).then((connection: any) => {
      this.connections.push(connection);
      connection.on("error", () => {});
      return connection;
    });
  }

  /** A worker by nothing but the contract: queue in, report out. */
  async worker(name: string, handlers: Record<string, Handler>, prefetch = 8): Promise<void> {
    const channel = await (await this.connect(name)).createChannel();
    await channel.prefetch(prefetch);
    for (const [task, handler] of Object.entries(handlers)) {
      channel.publish("baton.announce", task, Buffer.from(JSON.stringify({ task, worker: name, version: "1.0", host: "test", queue: "baton.task." + task, concurrency: prefetch, every: 30 })));
      await channel.checkQueue("baton.task." + task); // deploying a workflow made it
      await channel.consume("baton.task." + task, async (message: any) => {
        if (!message) return;
        const report = (type: string, body: unknown): boolean =>
          channel.sendToQueue(message.properties.replyTo, Buffer.from(JSON.stringify(body)), { type, correlationId: message.properties.correlationId, persistent: true });
        report("started", { worker: name });
        try {
          const result = await handler({ with: JSON.parse(message.content.toString()), headers: message.properties.headers });
          if (result === silence) return;
          report("completed", result);
        } catch (problem) {
          report("failed", problem);
        }
        channel.ack(message);
      });
    }
  }

  async close(): Promise<void> {
    for (const connection of this.connections) await connection.close().catch(() => null);
    const process = this.process!;
    if (process.exitCode === null) {
      const ended = new Promise((done) => process.once("exit", done));
      process.kill("SIGTERM");
      await Promise.race([ended, new Promise((done) => setTimeout(done, 20_000))]);
      if (process.exitCode === null) process.kill("SIGKILL");
    }
    rmSync(this.home, { recursive: true, force: true });
  }
}

export async function signIn(page: Page, house: House, path = "/", user = "guest", password = user): Promise<void> {
  await page.goto(house.url + path);
  await page.getByLabel("User").fill(user);
  await page.getByLabel("Password").fill(password);
  await page.getByRole("button", { name: "Sign in" }).click();
  await expect(page.getByRole("button", { name: "Sign out" })).toBeVisible();
}

export const test = base.extend<{ watched: void }, { house: House }>({
  house: [async ({}, use) => {
    const house = await House.start();
    await use(house);
    await house.close();
  }, { scope: "worker" }],
  watched: [async ({ page, house }, use) => {
    const wrong: string[] = [];
    page.on("request", (request) => {
      const url = new URL(request.url());
      if (url.protocol.startsWith("http") && url.origin !== house.url && !house.origins.has(url.origin)) wrong.push("a foreign request: " + request.url());
    });
    page.on("pageerror", (error) => wrong.push("an error: " + error.stack));
    page.on("console", (message) => {
      if (/Content Security Policy/i.test(message.text())) wrong.push(message.text());
    });
    await use();
    expect(wrong, "what a page must never do").toEqual([]);
  }, { auto: true }],
});
export { expect };
