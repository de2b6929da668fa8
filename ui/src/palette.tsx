// Ctrl-K: to any page, workflow, queue or run by some letters of its name.
import { signal, useSignal } from "@preact/signals";
import type { JSX } from "preact";
import { useLayoutEffect, useRef } from "preact/hooks";
import { get, may } from "./api";
import { help } from "./keys";
import { offered } from "./pages";
import type { ServerPage } from "./parts";
import { enc, go } from "./router";

export const isPaletteOpen = signal(false);
export const isHelpOpen = signal(false);
export const openPalette = (): void => void (isPaletteOpen.value = true);

interface Hit {
  title: string;
  kind: string;
  to: string;
  key?: string;
}

const has = (title: string, text: string): boolean => title.toLowerCase().includes(text.toLowerCase());

async function find(text: string): Promise<Hit[]> {
  const pages = offered().filter((place) => has(place.title, text)).map((place) => ({ title: place.title, kind: place.group || "Page", to: place.path, key: "g " + place.key }));
  if (text.length < 2) return pages;
  const run = /^[0-9a-f]{6,8}(-[0-9a-f-]*)?$/.test(text) ? [{ title: text, kind: "Run", to: "/runs/" + text }] : [];
  const [workflows, queues] = await Promise.all([
    may.look() ? get<{ name: string }[]>("/api/workflows").catch(() => []) : [],
    may.broker() ? get<ServerPage<{ name: string; vhost: string }>>(`/api/queues?page=1&page_size=8&columns=name,vhost&name=${enc(text)}`).then((page) => page.items, () => []) : [],
  ]);
  return [
    ...run, ...pages,
    ...workflows.filter((one) => has(one.name, text)).slice(0, 8).map((one) => ({ title: one.name, kind: "Workflow", to: "/workflows/" + enc(one.name) })),
    ...queues.map((one) => ({ title: one.name, kind: one.vhost === "/" ? "Queue" : "Queue of " + one.vhost, to: `/broker/queues/${enc(one.vhost)}/${enc(one.name)}` })),
    ...(may.look() ? [{ title: `Runs: ${text}`, kind: "Search", to: `/runs?q=${enc(text)}` }] : []),
  ];
}

export function Palette(): JSX.Element | null {
  return isPaletteOpen.value ? <Open /> : null;
}

function Open(): JSX.Element {
  const box = useRef<HTMLDialogElement>(null);
  const before = useRef(document.activeElement as HTMLElement | null);
  const hits = useSignal<Hit[]>([]);
  const at = useSignal(0);
  const asked = useRef(0);
  const close = (): void => void (isPaletteOpen.value = false);
  const search = (text: string): void => {
    const now = ++asked.current;
    void find(text.trim()).then((found) => {
      if (now !== asked.current) return;
      hits.value = found;
      at.value = 0;
    });
  };
  // Before the next key can come: Escape in between would go to a dialog that is not open.
  useLayoutEffect(() => {
    box.current?.showModal();
    search("");
    return () => before.current?.focus();
  }, []);
  const open = (hit: Hit | undefined): void => {
    if (!hit) return;
    before.current = null;
    close();
    go(hit.to);
  };
  const move = (by: number): void => {
    at.value = Math.min(Math.max(at.value + by, 0), hits.value.length - 1);
    document.getElementById("hit-" + at.value)?.scrollIntoView({ block: "nearest" });
  };
  return (
    <dialog ref={box} class="palette" aria-label="Search or go to" onClose={close}
      onClick={(event) => { if (event.target === box.current) close(); }}>
      <input type="text" list={undefined} role="combobox" aria-expanded="true" aria-controls="hits" aria-activedescendant={hits.value.length ? "hit-" + at.value : undefined} aria-label="Search or go to"
        placeholder="Page, workflow, queue, run id" autofocus
        onInput={(event) => search(event.currentTarget.value)}
        onKeyDown={(event) => {
          if (event.key === "ArrowDown") move(1);
          else if (event.key === "ArrowUp") move(-1);
          else if (event.key === "Enter") open(hits.value[at.value]);
          else return;
          event.preventDefault();
        }} />
      <ul id="hits" role="listbox" aria-label="Found">
        {hits.value.map((hit, i) => (
          <li key={hit.kind + hit.to} id={"hit-" + i} role="option" aria-selected={i === at.value} onClick={() => open(hit)} onMouseMove={() => (at.value = i)}>
            <span>{hit.title}</span> <small>{hit.kind}</small> {hit.key ? <kbd>{hit.key}</kbd> : null}
          </li>
        ))}
      </ul>
    </dialog>
  );
}

export function HelpDialog(): JSX.Element | null {
  const box = useRef<HTMLDialogElement>(null);
  const isOpen = isHelpOpen.value;
  useLayoutEffect(() => {
    if (isOpen) box.current?.showModal();
  }, [isOpen]);
  if (!isOpen) return null;
  return (
    <dialog ref={box} aria-labelledby="keys-title" onClose={() => (isHelpOpen.value = false)}>
      <form method="dialog">
        <h2 id="keys-title">Keys</h2>
        <dl class="keys">{help.map(([key, what]) => <div key={key}><dt><kbd>{key}</kbd></dt><dd>{what}</dd></div>)}</dl>
        <div class="buttons"><button type="submit">Close</button></div>
      </form>
    </dialog>
  );
}
