// What happens, as it happens: one stream of /baton/v1/events for all tabs of a browser, since a browser opens no more
// than six connections to a server. The tab that has the lock holds the stream and tells the others; when it is closed,
// another gets the lock. Where there is no stream, isLive says so, and pages ask by themselves.
import { effect, signal } from "@preact/signals";
import { me } from "./api";
import { eventsIn, topicsOf, type News } from "./stream";

/** Whether a stream tells of what changes. */
export const isLive = signal(false);

type Said =
  | { kind: "want"; tab: string; topics: string[] }
  | { kind: "gone"; tab: string }
  | { kind: "ask" } // a new holder: who wants what?
  | { kind: "live"; is: boolean }
  | { kind: "news"; news: News };

const tab = crypto.getRandomValues(new Uint32Array(2)).join("-");
const listeners = new Map<symbol, { topics: string[]; hear: (news: News) => void }>();
// Neither is there on a page that came unencrypted from another machine: then every tab asks for itself.
const canShare = "locks" in navigator && "BroadcastChannel" in window;
const others = canShare ? new BroadcastChannel("baton-live") : null;
let holder: Holder | null = null;

const wanted = (): string[] => [...new Set([...listeners.values()].flatMap((one) => one.topics))];

// Pages come and go, and with them what they want: that is told once, when they have settled.
let telling = 0;
function tellWanted(): void {
  clearTimeout(telling);
  telling = window.setTimeout(() => {
    const said: Said = { kind: "want", tab, topics: me.peek() ? wanted() : [] };
    others?.postMessage(said);
    holder?.hear(said);
  }, 30);
}

function hand(news: News): void {
  for (const { topics, hear } of [...listeners.values()])
    if (news.event === "resync" || topics.includes(news.event) || (news.event === "run" && (topics.includes("runs") || topics.includes(`run:${String(news.data.run)}`)))) hear(news);
}

/** Hears of what concerns these topics, and of "resync": something may have been missed. Gives what ends it. */
export function listen(topics: string[], hear: (news: News) => void): () => void {
  const key = Symbol();
  listeners.set(key, { topics, hear });
  tellWanted();
  return () => {
    listeners.delete(key);
    tellWanted();
  };
}

const silence_max = 40_000; // the server says something every 15 seconds
const pause_min = 500, pause_max = 30_000;

/** Of the tab with the lock: keeps the stream open, from where it was cut. */
class Holder {
  private readonly tabs = new Map<string, string[]>();
  private stop = new AbortController();
  private topics = "";
  private last = "";
  private wake: () => void = () => {};

  constructor() {
    this.say({ kind: "ask" });
    void this.hold();
  }

  hear(said: Said): void {
    if (said.kind === "want") this.tabs.set(said.tab, said.topics);
    else if (said.kind === "gone") this.tabs.delete(said.tab);
    else return;
    const topics = topicsOf([...this.tabs.values()].flat());
    if (topics === this.topics) return void (said.kind === "want" && this.say({ kind: "live", is: isLive.peek() }));
    this.topics = topics;
    this.stop.abort();
    this.wake();
  }

  private say(said: Said): void {
    others?.postMessage(said);
    if (said.kind === "live") isLive.value = said.is;
    if (said.kind === "news") hand(said.news);
  }

  private sleep(milliseconds: number): Promise<void> {
    return new Promise((done) => {
      const timer = setTimeout(done, milliseconds);
      this.wake = () => {
        clearTimeout(timer);
        done();
      };
    });
  }

  private async hold(): Promise<void> {
    for (let pause = pause_min; ; ) {
      if (this.topics === "") {
        this.say({ kind: "live", is: false });
        await this.sleep(3_600_000);
        continue;
      }
      this.stop = new AbortController();
      const topics = this.topics;
      if (await this.read(topics)) pause = pause_min;
      if (topics !== this.topics) continue;
      this.say({ kind: "live", is: false });
      await this.sleep(pause * (0.5 + Math.random()));
      pause = Math.min(pause * 2, pause_max);
    }
  }

  /** Until it ends; whether there was a stream at all. */
  private async read(topics: string): Promise<boolean> {
    let watch = 0;
    const stop = this.stop;
    const heard = (): void => {
      clearTimeout(watch);
      watch = window.setTimeout(() => stop.abort(), silence_max);
    };
    try {
      heard();
      const answer = await fetch("/baton/v1/events?topics=" + topics, { headers: this.last ? { "Last-Event-ID": this.last } : {}, signal: stop.signal, credentials: "same-origin", cache: "no-store" });
      if (!answer.ok || !answer.body) return false;
      // What was loaded before nobody was told of.
      if (!this.last) this.say({ kind: "news", news: { event: "resync", data: {} } });
      this.say({ kind: "live", is: true });
      for await (const one of eventsIn(answer.body, heard)) {
        if (one.id) this.last = one.id;
        if (one.news) this.say({ kind: "news", news: one.news });
      }
      return true;
    } catch {
      return false;
    } finally {
      clearTimeout(watch);
    }
  }
}

export function startLive(): void {
  if (!others) return;
  others.onmessage = ({ data }: MessageEvent<Said>) => {
    if (data.kind === "ask") tellWanted();
    else if (data.kind === "live") isLive.value = data.is;
    else if (data.kind === "news") hand(data.news);
    else holder?.hear(data);
  };
  addEventListener("pagehide", () => others.postMessage({ kind: "gone", tab } satisfies Said));
  addEventListener("pageshow", tellWanted);
  effect(() => {
    me.value;
    tellWanted();
  });
  // Held until the tab is closed.
  void navigator.locks.request("baton-live", () => {
    holder = new Holder();
    tellWanted();
    return new Promise(() => {});
  });
}
