// Exchanges: the list, and one of them with its bindings.
import type { JSX } from "preact";
import { del, post, put, usePolled } from "../api";
import { Chart, linesOf, rateOf, sampled } from "../chart";
import { rate } from "../format";
import type { Props } from "../pages";
import { ListPage } from "../lists";
import { ask, Facts, jsonIn, listQuery, Loaded, Page, Panel, Table, type ServerPage } from "../parts";
import { enc, go } from "../router";
import { Arguments, askPublish, askUnbind, Bindings, exchangePath, exchangeTitle, Features, inVhost, VhostChoice, vhostNames } from "./shared";
import type { Binding, Exchange as Told } from "./types";

export function Exchanges(): JSX.Element {
  const page = usePolled<ServerPage<Told>>(() => `${inVhost("exchanges")}?${listQuery()}`, 5);
  return (
    <ListPage title="Exchanges" finder="Name contains" beside={<VhostChoice />} from={page} acts={<button type="button" class="primary" onClick={() => void askDeclare(page.reload)}>Add an exchange</button>}
      keyOf={(one) => one.vhost + " " + one.name} linkOf={exchangePath} empty="No exchange fits."
      columns={[
        { title: "Name", show: (one) => exchangeTitle(one.name), sort: "name" },
        { title: "Host", show: (one) => one.vhost, sort: "vhost", wide: true },
        { title: "Type", show: (one) => one.type, sort: "type" },
        { title: "Features", show: (one) => <Features of={one} />, wide: true },
        { title: "In", show: (one) => rate(rateOf(one.message_stats, "publish_in")), number: true },
        { title: "Out", show: (one) => rate(rateOf(one.message_stats, "publish_out")), number: true },
      ]} />
  );
}

async function askDeclare(after: () => void): Promise<void> {
  const vhosts = await vhostNames();
  ask({
    title: "Add an exchange",
    fields: [
      { name: "vhost", label: "Virtual host", kind: "choice", choices: vhosts, value: "/", required: true },
      { name: "name", label: "Name", required: true },
      { name: "type", label: "Type", kind: "choice", choices: ["direct", "fanout", "topic", "headers"], value: "direct", required: true },
      { name: "durable", label: "Durable: is there after a restart", kind: "check", value: "true" },
      { name: "auto_delete", label: "Deleted with its last binding", kind: "check" },
      { name: "internal", label: "Internal: only other exchanges publish to it", kind: "check" },
      { name: "arguments", label: "Arguments", kind: "json", hint: "JSON: alternate-exchange" },
    ],
    verb: "Add", after,
    run: async (values) => {
      await put(`/api/exchanges/${enc(values.vhost!)}/${enc(values.name!)}`, { type: values.type, durable: !!values.durable, auto_delete: !!values.auto_delete, internal: !!values.internal, arguments: jsonIn(values, "arguments") ?? {} });
      go(exchangePath({ vhost: values.vhost!, name: values.name! }));
    },
  });
}

export function Exchange({ at }: Props): JSX.Element {
  const vhost = at.vhost!;
  const name = at.name === "amq.default" ? "" : at.name!;
  const path = `/api/exchanges/${enc(vhost)}/${enc(at.name!)}`;
  const exchange = usePolled<Told>(() => `${path}?${sampled}`, 5);
  const out = usePolled<Binding[]>(() => (name === "" ? null : `${path}/bindings/source`), 10);
  const into = usePolled<Binding[]>(() => (name === "" ? null : `${path}/bindings/destination`), 10);
  const reload = (): void => (exchange.reload(), out.reload(), into.reload());
  const isOwn = name === "" || name.startsWith("amq.");
  const askBind = (): void => ask({
    title: `Bind something to ${name}`,
    fields: [
      { name: "kind", label: "What", kind: "choice", choices: ["queue", "exchange"], value: "queue", required: true }, { name: "destination", label: "Its name", required: true },
      { name: "routing_key", label: "Routing key" }, { name: "arguments", label: "Arguments", kind: "json" },
    ],
    verb: "Bind", after: reload,
    run: async (values) => void (await post(`/api/bindings/${enc(vhost)}/e/${enc(name)}/${values.kind === "queue" ? "q" : "e"}/${enc(values.destination!)}`, { routing_key: values.routing_key ?? "", arguments: jsonIn(values, "arguments") ?? {} })),
  });
  const askDelete = (): void => ask({
    title: `Delete ${name}`, preview: <p>What is published to it afterwards fails; queues that it led to keep their messages.</p>,
    fields: [{ name: "if_unused", label: "Only if it has no bindings", kind: "check" }], typed: name, verb: "Delete", isDanger: true,
    run: async (values) => {
      await del(path + (values.if_unused ? "?if-unused=true" : ""));
      go("/broker/exchanges");
    },
  });
  return (
    <Loaded from={exchange}>
      {(found) => (
        <Page title={exchangeTitle(name)} of={<><a href="/broker/exchanges">Exchanges</a> of {vhost}</>} state={<span class="tag">{found.type}</span>}
          acts={<>
            {found.internal ? null : <button type="button" onClick={() => (name === "" ? askPublishByName(vhost, reload) : askPublish(vhost, name, "", reload))}>Publish</button>}
            {name === "" ? null : <button type="button" onClick={askBind}>Bind</button>}
            {isOwn ? null : <button type="button" onClick={askDelete}>Delete</button>}
          </>}>
          <Panel title="Messages per second">
            <Chart title="The last five minutes" {...linesOf(found.message_stats, [["in", "publish_in", "1"], ["out", "publish_out", "2"]], "rate")} unit="/s" />
          </Panel>
          <Panel title="What it is">
            <Facts of={[["type", found.type], ["durable", found.durable ? "yes" : "no"], ["auto delete", found.auto_delete ? "yes" : "no"], ["internal", found.internal ? "yes" : "no"], ["arguments", <Arguments key="a" of={found.arguments} />], ["policy", found.policy]]} />
          </Panel>
          {name === "" ? <Panel title="Bindings"><p>Each queue is bound to it by its own name; nothing else can be.</p></Panel> : (
            <>
              <Panel title="Leads to"><Bindings label="Bindings from the exchange" rows={out.data.value ?? []} side="destination" onDelete={(one) => askUnbind(one, reload, del)} /></Panel>
              {into.data.value?.length ? <Panel title="Fed by"><Bindings label="Bindings into the exchange" rows={into.data.value} side="source" onDelete={(one) => askUnbind(one, reload, del)} /></Panel> : null}
            </>
          )}
        </Page>
      )}
    </Loaded>
  );
}

function askPublishByName(vhost: string, after: () => void): void {
  ask({
    title: "Publish to a queue by its name", fields: [{ name: "queue", label: "Queue", required: true }], verb: "Go on",
    run: async (values) => void setTimeout(() => askPublish(vhost, "", values.queue!, after)),
  });
}
