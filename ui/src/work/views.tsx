// Queries for runs that the user saved: each with how many runs it finds now.
import { useComputed, useSignal } from "@preact/signals";
import type { JSX } from "preact";
import { useEffect } from "preact/hooks";
import { usePolled, type ApiError } from "../api";
import { many } from "../format";
import { ListPage, type CursorPage } from "../lists";
import { ask, CopyButton } from "../parts";
import { enc } from "../router";
import { forgetView, loadViews, saveView, views } from "./saved";

type View = [name: string, q: string];

export function Views(): JSX.Element {
  const askRename = ([name, q]: View): void => ask({
    title: `Change ${name}`, fields: [{ name: "name", label: "Name", value: name, required: true }, { name: "q", label: "Query", value: q }], verb: "Save",
    run: async (values) => {
      await saveView(values.name!, values.q ?? "", name);
    },
  });
  const rows = useComputed((): View[] => Object.entries(views.value));
  const failure = useSignal<ApiError | null>(null);
  const load = (): void => void loadViews().then(() => (failure.value = null), (error: ApiError) => (failure.value = error));
  useEffect(load, []);
  return (
    <ListPage title="Saved queries" finder="Name or query contains" textOf={(one) => one.join(" ")} from={{ data: rows, error: failure, reload: load }}
      keyOf={([name]) => name} linkOf={([, q]) => "/runs?q=" + enc(q)} empty="None: Runs, a query, and Save view. They are kept on the server, for you alone; a link takes one to somebody else."
      columns={[
        { title: "Name", show: ([name]) => name }, { title: "Query", show: ([, q]) => <code>{q || "(all runs)"}</code> }, { title: "Finds", number: true, show: ([, q]) => <Count q={q} /> },
        { title: "Acts", number: true, show: (one) => (
          <>
            <CopyButton text={`${location.origin}/runs?q=${enc(one[1])}`} label="Copy link" />
            <button type="button" class="quiet" aria-label={`Change ${one[0]}`} onClick={() => askRename(one)}>Change</button>
            <button type="button" class="quiet" aria-label={`Forget ${one[0]}`} onClick={() => void forgetView(one[0]).catch((error: ApiError) => (failure.value = error))}>Forget</button>
          </>
        ) },
      ]} />
  );
}

function Count({ q }: { q: string }): JSX.Element {
  const found = usePolled<CursorPage<unknown>>(() => `/baton/v1/runs?limit=1&q=${enc(q)}`, 15);
  if (found.error.value) return <span class="dim" title={found.error.value.message}>no query</span>;
  const page = found.data.value;
  return <>{page ? `${page.count_is_exact ? "" : "≥ "}${many(page.count)}` : ""}</>;
}
