// What all pages are made of: states, times, tables, tabs, data, dialogs. Each of them works by keys alone.
import { signal, useSignal } from "@preact/signals";
import type { ComponentChildren, JSX } from "preact";
import { useEffect, useLayoutEffect, useRef } from "preact/hooks";
import { ApiError, type Polled } from "./api";
import { asJson, duration, localTime, many } from "./format";
import { query, setQuery, withQuery } from "./router";

/** The time of now, for "3 min ago". */
export const clock = signal(Date.now());
setInterval(() => (clock.value = Date.now()), 1000);

export function Time({ at, since = false }: { at: string | number | null | undefined; since?: boolean }): JSX.Element {
  if (!at) return <span class="dim">–</span>;
  const time = new Date(at);
  const seconds = (clock.value - time.getTime()) / 1000;
  const text = since || Math.abs(seconds) < 86400 ? (Math.abs(seconds) < 1.5 ? "now" : seconds < 0 ? "in " + duration(-seconds) : duration(Math.floor(seconds)) + (since ? "" : " ago")) : localTime(at);
  return (
    <time dateTime={time.toISOString()} title={`${localTime(at)} here, ${time.toISOString()}`}>
      {text}
    </time>
  );
}

/** State by shape, word and colour: none of them alone. */
const shapes: Record<string, [string, string]> = {
  completed: ["✓", "good"], done: ["✓", "good"], running: ["●", "busy"], serves: ["●", "good"], ok: ["✓", "good"], open: ["✕", "bad"],
  failed: ["✕", "bad"], timed_out: ["✕", "bad"], dead: ["✕", "bad"], hangs: ["!", "bad"], retrying: ["↻", "warn"], backing_off: ["↻", "warn"],
  waiting: ["◷", "wait"], queued: ["◷", "wait"], approval: ["◷", "wait"], paused: ["‖", "warn"], drains: ["‖", "warn"], compensating: ["↶", "warn"], compensated: ["↶", "warn"],
  undoing: ["↶", "warn"], undone: ["↶", "warn"], cancelled: ["⊘", "dim"], skipped: ["⊘", "dim"], stopped: ["⊘", "warn"], dropped: ["⊘", "dim"], redriven: ["✓", "good"],
  degraded: ["!", "warn"], failing: ["✕", "bad"], blocked: ["‖", "warn"], closing: ["⊘", "dim"], pending: ["○", "dim"], idle: ["○", "dim"],
};
export const shapeOf = (state: string): [string, string] => shapes[state] ?? ["○", "dim"];
export function State({ of, word }: { of: string; word?: string }): JSX.Element {
  const [shape, kind] = shapeOf(of);
  return (
    <span class={`state ${kind}`}>
      <span aria-hidden="true">{shape}</span> {word ?? of.replaceAll("_", " ")}
    </span>
  );
}

export function Failure({ of }: { of: unknown }): JSX.Element | null {
  if (!of) return null;
  const told = of instanceof ApiError ? of.message : String(of);
  return <p class="failure" role="alert">{told}</p>;
}

/** What a page shows until there is something: nothing for a moment, then the reason. */
export function Loaded<T>({ from, children }: { from: Polled<T>; children: (data: T) => ComponentChildren }): JSX.Element {
  const data = from.data.value;
  const error = from.error.value;
  return (
    <>
      <Failure of={error} />
      {data !== undefined ? children(data) : error ? null : <p class="dim loading" aria-busy="true">Loading …</p>}
    </>
  );
}

export function Page({ title, state, acts, children, of }: { title: ComponentChildren; state?: ComponentChildren; acts?: ComponentChildren; children: ComponentChildren; of?: ComponentChildren }): JSX.Element {
  return (
    <>
      <header class="page-head">
        <div>
          {of ? <p class="crumb">{of}</p> : null}
          <h1>{title}</h1>
        </div>
        {state}
        <div class="acts">{acts}</div>
      </header>
      {children}
    </>
  );
}

export function Panel({ title, children, acts, id }: { title?: ComponentChildren; children: ComponentChildren; acts?: ComponentChildren; id?: string }): JSX.Element {
  return (
    <section class="panel" id={id}>
      {title ? (
        <div class="panel-head">
          <h2>{title}</h2>
          {acts}
        </div>
      ) : null}
      {children}
    </section>
  );
}

export function Facts({ of }: { of: [string, ComponentChildren][] }): JSX.Element {
  return (
    <dl class="facts">
      {of.filter(([, value]) => value !== null && value !== undefined && value !== "").map(([name, value]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  );
}

export function Figure({ label, value, to, kind }: { label: string; value: ComponentChildren; to?: string; kind?: string }): JSX.Element {
  const inside = (
    <>
      <b>{value}</b>
      <span>{label}</span>
    </>
  );
  return to ? <a class={`figure ${kind ?? ""}`} href={to}>{inside}</a> : <div class={`figure ${kind ?? ""}`}>{inside}</div>;
}

// --- Tables -----------------------------------------------------------------------------------------

export interface Column<Row> {
  title: string;
  show: (row: Row) => ComponentChildren;
  /** Figures stand right. */
  number?: boolean;
  /** The server's name of the field, where the list can be sorted by it. */
  sort?: string;
  /** Left out on narrow screens. */
  wide?: boolean;
}

export interface TableProps<Row> {
  label: string;
  columns: Column<Row>[];
  rows: Row[];
  keyOf: (row: Row) => string;
  linkOf?: (row: Row) => string | undefined;
  empty: ComponentChildren;
  chosen?: { has: (key: string) => boolean; toggle: (key: string) => void };
}

// Rows are drawn when somebody comes near them, so many at a time, and beyond the last of these only when asked for.
const rows_at_once = 200, rows_by_scrolling = 1000;

function MoreRows({ shown, all, more }: { shown: number; all: number; more: () => void }): JSX.Element {
  const end = useRef<HTMLParagraphElement>(null);
  useEffect(() => {
    if (shown >= rows_by_scrolling) return;
    const watch = new IntersectionObserver(([seen]) => void (seen?.isIntersecting && more()), { rootMargin: "600px" });
    watch.observe(end.current!);
    return () => watch.disconnect();
  }, [shown]);
  return <p class="pager" ref={end}><span>{many(shown)} of {many(all)}</span> <button type="button" class="quiet" onClick={more}>more rows</button></p>;
}

/** j and k go up and down, Enter opens, x chooses: the keys act on the table that has the focus or is the first. */
export function Table<Row>({ label, columns, rows, keyOf, linkOf, empty, chosen }: TableProps<Row>): JSX.Element {
  const shown = useSignal(rows_at_once);
  if (rows.length === 0) return <p class="empty">{empty}</p>;
  const sorted = query.value.get("sort");
  const isReverse = query.value.get("sort_reverse") === "true";
  return (
    <>
    <div class="table-box">
      <table aria-label={label} data-rows aria-rowcount={rows.length > shown.value ? rows.length + 1 : undefined}>
        <thead>
          <tr>
            {chosen ? <th class="choose"><span class="unseen">Chosen</span></th> : null}
            {columns.map((column) => (
              <th key={column.title} class={`${column.number ? "number" : ""} ${column.wide ? "wide" : ""}`} scope="col"
                aria-sort={column.sort && sorted === column.sort ? (isReverse ? "descending" : "ascending") : undefined}>
                {column.sort ? (
                  <a href={withQuery({ sort: column.sort, sort_reverse: sorted === column.sort && !isReverse ? "true" : null, page: null })}>
                    {column.title}
                    <span aria-hidden="true">{sorted === column.sort ? (isReverse ? " ↓" : " ↑") : ""}</span>
                  </a>
                ) : column.title}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.slice(0, shown.value).map((row) => {
            const key = keyOf(row);
            const link = linkOf?.(row);
            return (
              <tr key={key} data-link={link} class={chosen?.has(key) ? "chosen" : ""}>
                {chosen ? (
                  <td class="choose">
                    <input type="checkbox" aria-label={"Choose " + key} checked={chosen.has(key)} onChange={() => chosen.toggle(key)} />
                  </td>
                ) : null}
                {columns.map((column, at) => (
                  <td key={column.title} class={`${column.number ? "number" : ""} ${column.wide ? "wide" : ""}`}>
                    {at === 0 && link ? <a href={link}>{column.show(row)}</a> : column.show(row)}
                  </td>
                ))}
              </tr>
            );
          })}
        </tbody>
      </table>
    </div>
    {rows.length > shown.value ? <MoreRows shown={shown.value} all={rows.length} more={() => (shown.value += shown.value < rows_by_scrolling ? rows_at_once : rows_by_scrolling)} /> : null}
    </>
  );
}

/** A list that the server filters, sorts and cuts, as RabbitMQ's API does. */
export interface ServerPage<Row> {
  items: Row[];
  page: number;
  page_count: number;
  page_size: number;
  filtered_count: number;
  total_count: number;
}
export const page_size = 100;
export function listQuery(extra: Record<string, string> = {}): string {
  const wanted = new URLSearchParams({ page: query.value.get("page") ?? "1", page_size: String(page_size), ...extra });
  const name = query.value.get("name");
  if (name) wanted.set("name", name);
  if (query.value.get("regex")) wanted.set("use_regex", "true");
  for (const word of ["sort", "sort_reverse"]) {
    const value = query.value.get(word);
    if (value) wanted.set(word, value);
  }
  return wanted.toString();
}

export function Finder({ label, name = "name", children }: { label: string; name?: string; children?: ComponentChildren }): JSX.Element {
  const timer = useRef(0);
  const field = useRef<HTMLInputElement>(null);
  const now = query.value.get(name) ?? "";
  useEffect(() => {
    if (field.current && document.activeElement !== field.current) field.current.value = now;
  }, [now]);
  return (
    <div class="finder" role="search">
      <input ref={field} type="search" aria-label={label} placeholder={label} defaultValue={now} data-search
        onInput={(event) => {
          const value = event.currentTarget.value;
          clearTimeout(timer.current);
          timer.current = window.setTimeout(() => setQuery({ [name]: value, page: null, after: null }), 250);
        }} />
      {children}
    </div>
  );
}

export function Pager({ of }: { of: ServerPage<unknown> }): JSX.Element {
  const seen = of.filtered_count === of.total_count ? many(of.total_count) + " in all" : `${many(of.filtered_count)} of ${many(of.total_count)}`;
  return (
    <p class="pager">
      <span>{seen}</span>
      {of.page_count > 1 ? (
        <>
          {of.page > 1 ? <a href={withQuery({ page: of.page - 1 })} rel="prev">‹ before</a> : null}
          <span>page {of.page} of {of.page_count}</span>
          {of.page < of.page_count ? <a href={withQuery({ page: of.page + 1 })} rel="next">next ›</a> : null}
        </>
      ) : null}
    </p>
  );
}

export function Tabs({ of, name = "tab" }: { of: [string, string, ComponentChildren?][]; name?: string }): JSX.Element {
  const now = query.value.get(name) ?? of[0]![0];
  return (
    <nav class="tabs" aria-label="Parts of this page">
      {of.map(([key, title, note], at) => (
        <a key={key} href={withQuery({ [name]: at === 0 ? null : key })} aria-current={now === key ? "page" : undefined}>
          {title}
          {note !== undefined ? <span class="note">{note}</span> : null}
        </a>
      ))}
    </nav>
  );
}
export const tabNow = (first: string, name = "tab"): string => query.value.get(name) ?? first;

// --- Data -------------------------------------------------------------------------------------------

export function CopyButton({ text, label = "Copy" }: { text: string; label?: string }): JSX.Element {
  const done = useSignal(false);
  return (
    <button type="button" class="quiet" onClick={() => {
      void navigator.clipboard?.writeText(text).then(() => {
        done.value = true;
        setTimeout(() => (done.value = false), 1500);
      });
    }}>
      {done.value ? "Copied" : label}
    </button>
  );
}

const shown_at_once = 100;
function Node({ name, value, depth }: { name?: string; value: unknown; depth: number }): JSX.Element {
  const isMore = useSignal(false);
  const label = name === undefined ? null : <span class="key">{name}: </span>;
  if (value === null || typeof value !== "object")
    return (
      <div class="leaf">
        {label}
        <span class={`v-${value === null ? "null" : typeof value}`}>{typeof value === "string" ? value : String(value)}</span>
      </div>
    );
  const entries = Array.isArray(value) ? value.map((one, at) => [String(at), one] as const) : Object.entries(value);
  if (entries.length === 0) return <div class="leaf">{label}<span class="dim">{Array.isArray(value) ? "[ ]" : "{ }"}</span></div>;
  const seen = isMore.value ? entries : entries.slice(0, shown_at_once);
  return (
    <details open={depth < 3 && entries.length <= 30}>
      <summary>{label}<span class="dim">{Array.isArray(value) ? `${many(entries.length)} entries` : `${many(entries.length)} members`}</span></summary>
      <div class="inside">
        {seen.map(([key, one]) => <Node key={key} name={key} value={one} depth={depth + 1} />)}
        {seen.length < entries.length ? <button type="button" class="quiet" onClick={() => (isMore.value = true)}>{many(entries.length - seen.length)} more</button> : null}
      </div>
    </details>
  );
}
export function Data({ of, label }: { of: unknown; label: string }): JSX.Element {
  if (of === undefined || of === null) return <p class="empty">none</p>;
  return (
    <div class="data" role="group" aria-label={label}>
      <CopyButton text={asJson(of)} />
      <Node value={of} depth={0} />
    </div>
  );
}

// --- Dialogs ----------------------------------------------------------------------------------------

export interface Field {
  name: string;
  label: string;
  kind?: "text" | "number" | "password" | "area" | "json" | "choice" | "check" | "hidden";
  value?: string;
  choices?: string[];
  hint?: ComponentChildren;
  required?: boolean;
}
export type Values = Record<string, string>;

export interface Act {
  title: string;
  /** What it will do, before it is done. */
  preview?: ComponentChildren;
  fields?: Field[];
  /** Has to be typed, for what cannot be taken back. */
  typed?: string;
  verb: string;
  isDanger?: boolean;
  /** Does it; what it gives back is told. Nothing: the dialog closes. */
  run: (values: Values) => Promise<ComponentChildren | void>;
  after?: () => void;
}

const current = signal<Act | null>(null);
/** Opens the dialog of an act: preview, reason, and then what it did. */
export const ask = (act: Act): void => void (current.value = act);

export function ActDialog(): JSX.Element | null {
  const act = current.value;
  return act ? <Dialog key={act.title} act={act} /> : null;
}

function Dialog({ act }: { act: Act }): JSX.Element {
  const box = useRef<HTMLDialogElement>(null);
  const before = useRef(document.activeElement as HTMLElement | null);
  const failure = useSignal<unknown>(null);
  const told = useSignal<ComponentChildren>(null);
  const isBusy = useSignal(false);
  const typed = useSignal("");
  useLayoutEffect(() => {
    box.current?.showModal();
    return () => before.current?.focus();
  }, []);
  const close = (): void => {
    current.value = null;
    if (told.peek()) act.after?.();
  };
  const submit = async (event: Event): Promise<void> => {
    event.preventDefault();
    if (told.peek()) return close();
    const values: Values = {};
    new FormData(event.currentTarget as HTMLFormElement).forEach((value, name) => (values[name] = String(value)));
    isBusy.value = true;
    failure.value = null;
    try {
      const result = await act.run(values);
      if (result) told.value = result;
      else {
        current.value = null;
        act.after?.();
      }
    } catch (error) {
      failure.value = error;
    }
    isBusy.value = false;
  };
  return (
    <dialog ref={box} aria-labelledby="act-title" onClose={close}>
      <form onSubmit={(event) => void submit(event)}>
        <h2 id="act-title">{act.title}</h2>
        {told.value ? <div class="told" role="status">{told.value}</div> : (
          <>
            {act.preview ? <div class="preview">{act.preview}</div> : null}
            {act.fields?.map((field) => <FormField key={field.name} field={field} />)}
            {act.typed ? (
              <label class="field">
                <span>Type <b>{act.typed}</b> to confirm</span>
                <input name="typed" autocomplete="off" spellcheck={false} onInput={(event) => (typed.value = event.currentTarget.value)} />
              </label>
            ) : null}
          </>
        )}
        <Failure of={failure.value} />
        <div class="buttons">
          <button type="button" onClick={close}>{told.value ? "Close" : "Cancel"}</button>
          {told.value ? null : (
            <button type="submit" class={act.isDanger ? "danger" : "primary"} disabled={isBusy.value || (act.typed !== undefined && typed.value !== act.typed)}>
              {act.verb}
            </button>
          )}
        </div>
      </form>
    </dialog>
  );
}

function FormField({ field }: { field: Field }): JSX.Element {
  const { name, label, kind = "text", value = "", choices = [], hint, required = false } = field;
  if (kind === "hidden") return <input type="hidden" name={name} value={value} />;
  const hintId = hint ? "hint-" + name : undefined;
  const shared = { name, "aria-describedby": hintId, required };
  if (kind === "check")
    return (
      <label class="field check">
        <input type="checkbox" name={name} defaultChecked={value === "true"} value="true" />
        <span>{label}</span>
        {hint ? <small id={hintId}>{hint}</small> : null}
      </label>
    );
  return (
    <label class="field">
      <span>{label}{required ? "" : <span class="dim"> (optional)</span>}</span>
      {kind === "area" || kind === "json" ? <textarea {...shared} rows={kind === "json" ? 6 : 3} spellcheck={kind === "area"} class={kind === "json" ? "mono" : ""} defaultValue={value} />
        : kind === "choice" ? (
          <select {...shared} defaultValue={value}>
            {choices.map((choice) => <option key={choice} value={choice} selected={choice === value}>{choice}</option>)}
          </select>
        ) : <input {...shared} type={kind as "text"} step={kind === "number" ? "any" : undefined} defaultValue={value} autocomplete={kind === "password" ? "new-password" : "off"} spellcheck={false} />}
      {hint ? <small id={hintId}>{hint}</small> : null}
    </label>
  );
}

/** Text of a field that holds JSON; "" is nothing. Throws a sentence. */
export function jsonIn(values: Values, name: string): unknown {
  const text = values[name]?.trim();
  if (!text) return undefined;
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new ApiError(0, "bad_json", `${name}: ${(error as Error).message}`);
  }
}
