// Keys for all pages. They act on what is there already: rows of tables, links, buttons with data-key; so whatever can be
// done by a key can be done by the mouse.
import { offered } from "./pages";
import { isHelpOpen, isPaletteOpen, openPalette } from "./palette";
import { go } from "./router";

export const help: [string, string][] = [
  ["Ctrl K", "search: pages, queues, workflows, a pasted run id"],
  ["/", "to the search field of the page"],
  ["g then a letter", "to a page: its letter is in the palette"],
  ["j, k", "next row, row before"],
  ["Enter", "open the row"],
  ["x", "choose the row"],
  [".", "to the acts of the page"],
  ["e", "next error"],
  ["y", "copy the link to this page"],
  ["?", "these keys"],
  ["Escape", "close"],
];

let leads = false; // "g" came
let row: HTMLElement | null = null;

function moveTo(next: HTMLElement | undefined): void {
  if (!next) return;
  row?.classList.remove("at");
  row = next;
  row.classList.add("at");
  row.scrollIntoView({ block: "nearest" });
  (row.querySelector<HTMLElement>("a, input, button") ?? row).focus({ preventScroll: true });
}

function step(by: number): void {
  const table = row?.isConnected ? row.closest("table") : document.querySelector("table[data-rows]");
  const rows = [...(table?.querySelectorAll<HTMLElement>("tbody tr") ?? [])];
  const now = row ? rows.indexOf(row) : -1;
  moveTo(rows[now === -1 ? (by > 0 ? 0 : rows.length - 1) : Math.min(Math.max(now + by, 0), rows.length - 1)]);
}

function pressed(event: KeyboardEvent): void {
  if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "k") {
    event.preventDefault();
    return openPalette();
  }
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const target = event.target as HTMLElement;
  const isTyping = target.matches("input:not([type=checkbox]), textarea, select, [contenteditable=true], .cm-content");
  if (isTyping || isPaletteOpen.value || document.querySelector("dialog[open]")) return;
  if (leads) {
    leads = false;
    const place = offered().find((one) => one.key === event.key);
    if (place) {
      event.preventDefault();
      go(place.path);
    }
    return;
  }
  const acts: Record<string, () => void> = {
    g: () => {
      leads = true;
      setTimeout(() => (leads = false), 1500);
    },
    "/": () => document.querySelector<HTMLElement>("[data-search]")?.focus(),
    "?": () => (isHelpOpen.value = true),
    j: () => step(1),
    k: () => step(-1),
    x: () => row?.querySelector<HTMLInputElement>("input[type=checkbox]")?.click(),
    ".": () => document.querySelector<HTMLElement>(".page-head .acts :is(button, a)")?.focus(),
    e: () => {
      const all = [...document.querySelectorAll<HTMLElement>("main .state.bad, main .failure")];
      const next = all.find((one) => !row || row.compareDocumentPosition(one) & Node.DOCUMENT_POSITION_FOLLOWING && !row.contains(one)) ?? all[0];
      if (next) moveTo(next.closest<HTMLElement>("tr") ?? next);
    },
    y: () => void navigator.clipboard?.writeText(location.href),
  };
  if (event.key === "Enter" && row?.isConnected && (target === row || target === document.body) && row.dataset.link) {
    event.preventDefault();
    return go(row.dataset.link);
  }
  const act = acts[event.key];
  if (!act) return;
  event.preventDefault();
  act();
}

export function startKeys(): () => void {
  addEventListener("keydown", pressed);
  return () => removeEventListener("keydown", pressed);
}
