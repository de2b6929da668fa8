// The words of an event stream. Pure.

/** What the server tells of: a run at a sequence number, or that dead letters, workers or operations have changed;
 *  "resync": load again what you show. */
export interface News {
  event: string;
  data: Record<string, unknown>;
}

const topics_max = 50; // the server takes so many

/** The topics that many tabs want, as one parameter; so many runs that they are too many are all runs. */
export function topicsOf(all: string[]): string {
  const topics = new Set(all);
  if (topics.size > topics_max) topics.add("runs");
  const isAllRuns = topics.has("runs");
  return [...topics].filter((one) => !isAllRuns || !one.startsWith("run:")).sort().join(",");
}

/** One block of lines, without the empty line that ends it. */
function eventIn(block: string): { id?: string; news?: News } {
  const found: Record<string, string> = {};
  for (const line of block.split("\n")) {
    const at = line.indexOf(":");
    if (at > 0) found[line.slice(0, at)] = line.slice(at + 1).replace(/^ /, "");
  }
  const told: { id?: string; news?: News } = {};
  if (found.id !== undefined) told.id = found.id;
  if (found.event !== undefined) {
    let data: unknown = {};
    try {
      data = JSON.parse(found.data ?? "{}");
    } catch {
      // What cannot be read is loaded.
    }
    told.news = { event: found.event, data: (data ?? {}) as Record<string, unknown> };
  }
  return told;
}

export async function* eventsIn(body: ReadableStream<Uint8Array>, heard: () => void): AsyncGenerator<{ id?: string; news?: News }> {
  const reader = body.pipeThrough(new TextDecoderStream() as unknown as ReadableWritablePair<string, Uint8Array>).getReader();
  for (let text = ""; ; ) {
    const { value, done } = await reader.read();
    if (done) return;
    heard();
    text += value;
    for (let end = text.indexOf("\n\n"); end >= 0; end = text.indexOf("\n\n")) {
      yield eventIn(text.slice(0, end));
      text = text.slice(end + 2);
    }
  }
}
