// Views of runs that the user saved: names and queries, kept on the server. Those that this browser had kept before it could
// be asked go there, once.
import { effect, signal } from "@preact/signals";
import { del, get, may, me, put } from "../api";
import { enc } from "../router";

const before = "baton-views";

/** Queries by name. */
export const views = signal<Record<string, string>>({});

function ofThisBrowser(): Record<string, string> {
  try {
    const all: unknown = JSON.parse(localStorage.getItem(before) ?? "{}");
    return Object.fromEntries(Object.entries(all ?? {}).filter((one): one is [string, string] => typeof one[1] === "string"));
  } catch {
    return {};
  }
}

// Other tabs of this browser hear of a change; others see it when they look again.
const others = "BroadcastChannel" in window ? new BroadcastChannel("baton-views") : null;
if (others) others.onmessage = () => void loadViews().catch(() => null);

let changes = 0;
function changed(next: Record<string, string>): void {
  ++changes;
  views.value = next;
  others?.postMessage("changed");
}

export async function loadViews(): Promise<void> {
  const before_it = changes;
  const found = await get<{ items: { name: string; q: string }[] }>("/baton/v1/views?limit=500");
  // What was asked for before a change says what was before it.
  if (before_it !== changes) return;
  views.value = Object.fromEntries(found.items.map((view) => [view.name, view.q]));
  const old = ofThisBrowser();
  for (const [name, q] of Object.entries(old)) {
    if (!(name in views.value)) await saveView(name, q).catch(() => null);
    delete old[name];
    localStorage.setItem(before, JSON.stringify(old));
  }
  localStorage.removeItem(before);
}

/** `instead`: of the view of this name, which is forgotten. */
export async function saveView(name: string, q: string, instead = name): Promise<void> {
  await put("/baton/v1/views/" + enc(name), { q });
  if (instead !== name) await del("/baton/v1/views/" + enc(instead));
  changed({ ...without(instead), [name]: q });
}

export async function forgetView(name: string): Promise<void> {
  await del("/baton/v1/views/" + enc(name));
  changed(without(name));
}

const without = (name: string): Record<string, string> => Object.fromEntries(Object.entries(views.value).filter(([one]) => one !== name));

effect(() => {
  if (me.value && may.look()) void loadViews().catch(() => null);
  else views.value = {};
});
