// The one place that asks the server. Everybody else calls these functions and knows no header; what the server refuses
// comes out as an ApiError with the server's own sentence. The session is a cookie that no script can read.
import { signal, useSignal, useSignalEffect, type ReadonlySignal } from "@preact/signals";
import { useRef } from "preact/hooks";
import { isLive, listen } from "./live";
import type { News } from "./stream";

export class ApiError extends Error {
  constructor(readonly status: number, readonly word: string, reason: string) {
    super(reason);
  }
}

interface Me {
  user: string;
  tags: string[];
}
/** undefined: not known yet; null: nobody is signed in. */
export const me = signal<Me | null | undefined>(undefined);
/** False while the server does not answer at all. */
export const isOnline = signal(true);

interface Answer<T> {
  body: T;
  headers: Headers;
}

async function send<T>(method: string, path: string, body?: unknown, headers: Record<string, string> = {}): Promise<Answer<T>> {
  let response: Response;
  try {
    const init: RequestInit = { method, headers: { ...headers }, credentials: "same-origin", cache: "no-store" };
    if (body !== undefined) {
      init.body = JSON.stringify(body);
      (init.headers as Record<string, string>)["Content-Type"] = "application/json";
    }
    response = await fetch(path, init);
  } catch {
    isOnline.value = false;
    throw new ApiError(0, "offline", "The server does not answer. The page tries again by itself.");
  }
  isOnline.value = true;
  const text = await response.text();
  let parsed: unknown = null;
  try {
    parsed = text ? JSON.parse(text) : null;
  } catch {
    parsed = text;
  }
  // What is wrong is told with 503, and is what was asked for.
  const isHealth = path === "/api/health" && parsed !== null && typeof parsed === "object" && "parts" in parsed;
  if (response.ok || isHealth) return { body: parsed as T, headers: response.headers };
  const told = (parsed ?? {}) as { error?: string; reason?: string; detail?: string; title?: string };
  const missing = told.reason ?? told.detail ?? told.title ?? `${response.status} ${response.statusText}`;
  // RabbitMQ's routes say 401 also for what a signed-in user may not do.
  if (response.status === 401 && told.error !== "not_authorised" && path !== "/api/login") me.value = null;
  throw new ApiError(response.status, told.error ?? "error", String(missing));
}

export const get = async <T>(path: string): Promise<T> => (await send<T>("GET", path)).body;
export const post = async <T = unknown>(path: string, body: unknown = {}): Promise<T> => (await send<T>("POST", path, body)).body;
export const put = async <T = unknown>(path: string, body: unknown = {}, headers?: Record<string, string>): Promise<T> => (await send<T>("PUT", path, body, headers)).body;
export const del = async <T = unknown>(path: string, body?: unknown, headers?: Record<string, string>): Promise<T> =>
  (await send<T>("DELETE", path, body, headers)).body;

const basic = (user: string, password: string): string => {
  const bytes = new TextEncoder().encode(`${user}:${password}`);
  return "Basic " + btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(""));
};

/** Of what may be sent twice; also where a page came unencrypted, which knows no crypto.randomUUID. */
export const freshId = (): string => Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");

export async function signIn(user: string, password: string): Promise<void> {
  me.value = (await send<Me>("POST", "/api/login", undefined, { Authorization: basic(user, password) })).body;
}

export async function signOut(): Promise<void> {
  await del("/api/login").catch(() => null);
  known.clear();
  me.value = null;
}

export async function whoAmI(): Promise<void> {
  try {
    me.value = await get<Me>("/api/login");
  } catch (error) {
    if (error instanceof ApiError && error.status === 0) setTimeout(() => void whoAmI(), 2000);
    else me.value = null;
  }
}

const has = (...tags: string[]): boolean => tags.some((tag) => me.value?.tags.includes(tag));
/** What the server would allow; it decides itself, this only keeps offers honest. */
export const may = {
  look: () => has("administrator", "monitoring", "baton-admin", "baton-deployer", "baton-operator", "baton-viewer"),
  operate: () => has("administrator", "baton-admin", "baton-operator"),
  deploy: () => has("administrator", "baton-admin", "baton-deployer"),
  broker: () => has("administrator", "monitoring", "policymaker", "management"),
  monitor: () => has("administrator", "monitoring"),
  policies: () => has("administrator", "policymaker"),
  administer: () => has("administrator"),
  admin: () => has("administrator", "baton-admin"),
};

// The last answer to each path, so that going back shows something at once.
const known = new Map<string, unknown>();
const known_max = 200;

export interface Polled<T> {
  data: ReadonlySignal<T | undefined>;
  error: ReadonlySignal<ApiError | null>;
  reload: () => void;
}

/** What tells of changes: topics of the event stream, and which of their news changes what is shown already. */
interface Follow<T> {
  topics: string[];
  isNews?: (news: News, shown: T) => boolean;
  /** So many milliseconds after news it is asked for at the earliest: much may happen at once. */
  pause?: number;
}

// With a stream that tells of changes, it is asked so seldom by itself: for what has no news, such as a worker's silence.
const seconds_when_told = 10;
const pause_after_news = 1000;

/** Asks again when the stream tells of a change, or without one every `seconds`, while the page is seen; 0: once. Keeps
 *  what it had while it asks. `pathOf` may read signals; null asks nothing. */
export function usePolled<T>(pathOf: () => string | null, seconds = 5, follow?: Follow<T>): Polled<T> {
  const data = useSignal<T | undefined>(undefined);
  const error = useSignal<ApiError | null>(null);
  const again = useSignal(0);
  const asked = useRef("");
  useSignalEffect(() => {
    const path = pathOf();
    again.value;
    if (path === null) {
      data.value = undefined;
      return;
    }
    data.value = known.get(path) as T | undefined ?? (data.peek() !== undefined && samePage(path, asked.current) ? data.peek() : undefined);
    asked.current = path;
    let isOver = false;
    let timer = 0;
    let asks = false, isStale = false;
    const pause = follow?.pause ?? pause_after_news;
    const isTold = follow !== undefined && isLive.value; // asked again when that changes
    const ask = async (): Promise<void> => {
      asks = true;
      isStale = false;
      try {
        const found = await get<T>(path);
        if (isOver) return;
        if (known.size >= known_max) known.delete(known.keys().next().value!);
        known.set(path, found);
        data.value = found;
        error.value = null;
      } catch (failure) {
        if (isOver) return;
        error.value = failure instanceof ApiError ? failure : new ApiError(0, "error", String(failure));
        if (error.value.status === 404) data.value = undefined;
      }
      asks = false;
      const next = isStale ? pause : (isTold ? Math.max(seconds, seconds_when_told) : seconds) * 1000;
      if (next > 0 && !isOver) timer = window.setTimeout(tick, next);
    };
    const hear = (news: News): void => {
      const shown = data.peek();
      if (shown !== undefined && news.event !== "resync" && follow?.isNews && !follow.isNews(news, shown)) return;
      // What is asked for just now may be of before it.
      if (isStale) return;
      isStale = true;
      if (asks) return;
      clearTimeout(timer);
      timer = window.setTimeout(tick, pause);
    };
    const deafen = follow && follow.topics.length > 0 ? listen(follow.topics, hear) : null;
    const tick = (): void => {
      if (!document.hidden) return void ask();
      document.addEventListener("visibilitychange", tick, { once: true });
    };
    void ask();
    return () => {
      isOver = true;
      deafen?.();
      clearTimeout(timer);
      document.removeEventListener("visibilitychange", tick);
    };
  });
  return { data, error, reload: () => void ++again.value };
}
const samePage = (one: string, other: string): boolean => one.split("?")[0] === other.split("?")[0];
