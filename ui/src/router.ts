// The address is the state: path, query and nothing else. A click on a link of ours changes the address without loading
// anything; Back works; a link can be sent to a colleague.
import { computed, signal } from "@preact/signals";
import { pathOfRabbit } from "./rabbit";

export const address = signal(location.pathname + location.search);
export const path = computed(() => address.value.split("?")[0]!);
export const query = computed(() => new URLSearchParams(address.value.split("?")[1] ?? ""));

export function go(to: string, replace = false): void {
  if (to === address.value) return;
  if (replace) history.replaceState(null, "", to);
  else history.pushState(null, "", to);
  address.value = to;
  if (!replace) scrollTo(0, 0);
}

/** The address with some parameters of its query changed; null or "" takes one out. */
export function withQuery(change: Record<string, string | number | null | undefined>): string {
  const next = new URLSearchParams(query.value);
  for (const [name, value] of Object.entries(change))
    if (value === null || value === undefined || value === "") next.delete(name);
    else next.set(name, String(value));
  const text = next.toString();
  return path.value + (text ? "?" + text : "");
}
export const setQuery = (change: Record<string, string | number | null | undefined>, replace = true): void =>
  go(withQuery(change), replace);

export function startRouter(): void {
  const fromRabbit = pathOfRabbit(location.hash);
  if (fromRabbit) go(fromRabbit, true);
  addEventListener("popstate", () => (address.value = location.pathname + location.search));
  addEventListener("hashchange", () => {
    const to = pathOfRabbit(location.hash);
    if (to) go(to, true);
  });
  document.addEventListener("click", (event) => {
    if (event.defaultPrevented || event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
    const link = (event.target as Element).closest?.("a");
    if (!link || link.target || link.hasAttribute("download") || link.origin !== location.origin) return;
    if (link.pathname.startsWith("/api/") || link.pathname === "/metrics") return;
    event.preventDefault();
    go(link.pathname + link.search);
  });
}

/** "/runs/:run" against a path: its parameters, decoded; null: it does not fit. */
export function fits(pattern: string, given: string): Record<string, string> | null {
  const wanted = pattern.split("/");
  const parts = given.replace(/\/$/, "").split("/");
  if (wanted.length !== Math.max(parts.length, 1)) return null;
  const found: Record<string, string> = {};
  for (let i = 0; i < wanted.length; ++i) {
    const want = wanted[i]!;
    if (want.startsWith(":")) {
      try {
        found[want.slice(1)] = decodeURIComponent(parts[i]!);
      } catch {
        return null;
      }
    } else if (want !== parts[i]) return null;
  }
  return found;
}

export const enc = encodeURIComponent;
