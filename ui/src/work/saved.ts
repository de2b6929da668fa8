// Views of runs that somebody saved: names and queries, in this browser.
import { signal } from "@preact/signals";

const kept = "baton-views";

function read(): Record<string, string> {
  try {
    const all: unknown = JSON.parse(localStorage.getItem(kept) ?? "{}");
    return Object.fromEntries(Object.entries(all ?? {}).filter((one): one is [string, string] => typeof one[1] === "string"));
  } catch {
    return {};
  }
}

export const views = signal(read());
// Another tab has saved one.
addEventListener("storage", (event) => void (event.key === kept && (views.value = read())));

function keep(next: Record<string, string>): void {
  views.value = next;
  localStorage.setItem(kept, JSON.stringify(next));
}
export const saveView = (name: string, q: string): void => keep({ ...views.value, [name]: q });
export const forgetView = (name: string): void => keep(Object.fromEntries(Object.entries(views.value).filter(([one]) => one !== name)));
