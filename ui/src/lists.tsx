// A page that is one list: what finds rows, the rows, and the way to more of them. Lists that the server filters, sorts and
// cuts have pages by number (RabbitMQ's dialect) or by cursor (ours); those that come whole are filtered here.
import { useComputed } from "@preact/signals";
import type { ComponentChildren, JSX } from "preact";
import { useRef } from "preact/hooks";
import type { Polled } from "./api";
import { many } from "./format";
import { Finder, Loaded, Page, Pager, Panel, Table, type ServerPage, type TableProps } from "./parts";
import { query, withQuery } from "./router";

/** Of /baton/v1. */
export interface CursorPage<Row> {
  items: Row[];
  next: string | null;
  count: number | null;
  count_is_exact: boolean;
}
type Source<Row> = ServerPage<Row> | CursorPage<Row> | Row[];

interface ListProps<Row> extends Omit<TableProps<Row>, "rows" | "label"> {
  title: string;
  from: Polled<Source<Row>>;
  /** What the finder says of itself; left out: there is none. */
  finder?: string;
  /** The parameter of the address that the finder writes. */
  finderName?: string;
  /** Beside the finder. */
  beside?: ComponentChildren;
  acts?: ComponentChildren;
  /** Above the list. */
  children?: ComponentChildren;
  /** What the finder looks into, where the list comes whole. */
  textOf?: (row: Row) => string;
}

export function ListPage<Row>({ title, acts, children, from, finder, finderName = "name", beside, textOf, ...table }: ListProps<Row>): JSX.Element {
  const text = (query.value.get(finderName) ?? "").toLowerCase();
  return (
    <Page title={title} acts={acts}>
      {children}
      <Panel>
        {finder ? <Finder label={finder} name={finderName}>{beside}</Finder> : beside ? <div class="finder">{beside}</div> : null}
        <Loaded from={from}>
          {(found) => {
            const all = Array.isArray(found) ? found : found.items;
            const rows = textOf && text ? all.filter((row) => textOf(row).toLowerCase().includes(text)) : all;
            return (
              <>
                <Table {...table} label={title} rows={rows} />
                {Array.isArray(found) ? null : "page_count" in found ? <Pager of={found} /> : <CursorPager of={found} />}
              </>
            );
          }}
        </Loaded>
      </Panel>
    </Page>
  );
}

/** A cursor leads on; back leads the browser's Back. */
function CursorPager({ of }: { of: CursorPage<unknown> }): JSX.Element | null {
  const after = query.value.get("after");
  const isLong = useRef(false);
  isLong.current ||= after !== null || of.next !== null;
  if (!isLong.current && (of.count === null || of.count_is_exact)) return null;
  return (
    <p class="pager">
      {of.count === null ? null : <span>{of.count_is_exact ? "" : "at least "}{many(of.count)} in all</span>}
      {after !== null ? <a href={withQuery({ after: null })}>‹ first</a> : null}
      {of.next !== null ? <a href={withQuery({ after: of.next })} rel="next">next ›</a> : null}
    </p>
  );
}

/** Rows made of what was asked for, and of whatever else `rowsOf` looks at. */
export function useRows<T, Row>(from: Polled<T>, rowsOf: (told: T) => Row[]): Polled<Row[]> {
  const data = useComputed(() => (from.data.value === undefined ? undefined : rowsOf(from.data.value)));
  return { data, error: from.error, reload: from.reload };
}

/** The part of an address of /baton/v1 that asks for a page of a list. */
export const cursorQuery = (extra: Record<string, string | null> = {}): string => {
  const wanted = new URLSearchParams({ limit: "100" });
  for (const [name, value] of Object.entries({ after: query.value.get("after"), ...extra })) if (value) wanted.set(name, value);
  return wanted.toString();
};
