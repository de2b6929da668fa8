// Queues: the list, and one of them with all that can be done to it.
import { signal, useSignal } from "@preact/signals";
import type { JSX } from "preact";
import { del, get, post, put, usePolled } from "../api";
import { Chart, linesOf, queue_lengths, queue_rates, rateOf, sampled } from "../chart";
import { bytes, many, plural, rate } from "../format";
import type { Props } from "../pages";
import { ListPage } from "../lists";
import { ask, CopyButton, Data, Facts, Figure, jsonIn, listQuery, Loaded, Page, Panel, State, tabNow, Table, Tabs, Time, type ServerPage } from "../parts";
import { enc, go } from "../router";
import { Arguments, askPublish, askUnbind, Bindings, Features, inVhost, queuePath, VhostChoice, vhostNames } from "./shared";
import type { Binding, Queue as Told } from "./types";

export function Queues(): JSX.Element {
  const page = usePolled<ServerPage<Told>>(() => `${inVhost("queues")}?${listQuery()}`, 5);
  return (
    <ListPage title="Queues" finder="Name contains" beside={<VhostChoice />} from={page} acts={<button type="button" class="primary" onClick={() => void askDeclare(page.reload)}>Add a queue</button>}
      keyOf={(one) => one.vhost + " " + one.name} linkOf={queuePath} empty="No queue fits."
      columns={[
        { title: "Name", show: (one) => one.name, sort: "name" },
        { title: "Host", show: (one) => one.vhost, sort: "vhost", wide: true },
        { title: "Type", show: (one) => one.type, wide: true },
        { title: "Features", show: (one) => <Features of={one} />, wide: true },
        { title: "Ready", show: (one) => many(one.messages_ready), number: true, sort: "messages_ready" },
        { title: "Unacked", show: (one) => many(one.messages_unacknowledged), number: true, sort: "messages_unacknowledged", wide: true },
        { title: "Consumers", show: (one) => many(one.consumers), number: true, sort: "consumers" },
        { title: "In", show: (one) => rate(rateOf(one.message_stats, "publish")), number: true, sort: "message_stats.publish_details.rate", wide: true },
        { title: "Out", show: (one) => rate(rateOf(one.message_stats, "deliver_get")), number: true, sort: "message_stats.deliver_get_details.rate", wide: true },
        { title: "Acked", show: (one) => rate(rateOf(one.message_stats, "ack")), number: true, wide: true },
      ]} />
  );
}

async function askDeclare(after: () => void): Promise<void> {
  const vhosts = await vhostNames();
  ask({
    title: "Add a queue",
    fields: [
      { name: "vhost", label: "Virtual host", kind: "choice", choices: vhosts, value: "/", required: true },
      { name: "name", label: "Name", required: true },
      { name: "durable", label: "Durable: is there after a restart", kind: "check", value: "true" },
      { name: "auto_delete", label: "Deleted with its last consumer", kind: "check" },
      { name: "arguments", label: "Arguments", kind: "json", hint: <>JSON: x-message-ttl, x-max-length, x-dead-letter-exchange, x-max-priority, …</> },
    ],
    verb: "Add", after,
    run: async (values) => {
      await put(`/api/queues/${enc(values.vhost!)}/${enc(values.name!)}`, { durable: !!values.durable, auto_delete: !!values.auto_delete, arguments: jsonIn(values, "arguments") ?? {} });
      go(queuePath({ vhost: values.vhost!, name: values.name! }));
    },
  });
}

interface Message { payload: string; payload_encoding: string; payload_bytes: number; redelivered: boolean; exchange: string; routing_key: string; properties: Record<string, unknown>; message_count: number }

/** Baton's own queues of task types: whoever comes from RabbitMQ sees where the runs are. */
const task_prefix = "baton.task.";

export function Queue({ at }: Props): JSX.Element {
  const vhost = at.vhost!, name = at.name!;
  const path = `/api/queues/${enc(vhost)}/${enc(name)}`;
  const queue = usePolled<Told>(() => `${path}?${sampled}`, 5);
  const bindings = usePolled<Binding[]>(() => `${path}/bindings`, 10);
  const seen = useSignal(signal<Message[] | null>(null)).value;
  const reload = (): void => (queue.reload(), bindings.reload());

  const askPurge = (): void => ask({
    title: `Purge ${name}`,
    preview: <p>{plural(queue.data.value?.messages_ready ?? 0, "message")} that nobody has taken yet will be thrown away. What consumers hold stays. This cannot be taken back.</p>,
    typed: name, verb: "Purge", isDanger: true, after: reload,
    run: async () => {
      const before = queue.data.value?.messages_ready ?? 0;
      await del(path + "/contents");
      const left = await get<Told>(path);
      return `Purged: ${plural(before, "message")} before, ${many(left.messages_ready)} ready now.`;
    },
  });
  const askDelete = (): void => ask({
    title: `Delete ${name}`,
    preview: <p>The queue goes with its {plural(queue.data.value?.messages ?? 0, "message")} and {plural((bindings.data.value ?? []).filter((one) => one.source !== "").length, "binding")}; {plural(queue.data.value?.consumers ?? 0, "consumer")} will be cancelled.</p>,
    fields: [{ name: "if_empty", label: "Only if it is empty", kind: "check" }, { name: "if_unused", label: "Only if nobody consumes", kind: "check" }],
    typed: name, verb: "Delete", isDanger: true,
    run: async (values) => {
      await del(`${path}?${values.if_empty ? "if-empty=true&" : ""}${values.if_unused ? "if-unused=true" : ""}`);
      go("/broker/queues");
    },
  });
  const askMove = (): void => ask({
    title: `Move messages out of ${name}`,
    preview: <p>Each message is taken, published to the other queue, and acknowledged here when the broker has it there. {plural(queue.data.value?.messages_ready ?? 0, "message")} ready now.</p>,
    fields: [{ name: "to", label: "To the queue", required: true, hint: `in the same virtual host, ${vhost}` }, { name: "count", label: "How many", kind: "number", hint: "empty: all that are there" }],
    verb: "Move", after: reload,
    run: async (values) => {
      let moved = 0;
      const most = values.count ? Number(values.count) : (queue.data.value?.messages_ready ?? 0);
      for (;;) {
        const told = await post<{ moved: number; left: number }>(path + "/move", { to: values.to, count: most - moved });
        moved += told.moved;
        if (told.left === 0 || told.moved === 0 || moved >= most) return `Moved ${plural(moved, "message")} to ${values.to}; ${many(told.left)} left here.`;
      }
    },
  });
  const askGet = (): void => ask({
    title: `Look at messages of ${name}`,
    fields: [
      { name: "count", label: "How many", kind: "number", value: "5", required: true },
      { name: "ackmode", label: "Then", kind: "choice", choices: ["put them back", "acknowledge: they are gone", "reject: to the dead letter exchange, or gone"], hint: "Messages that are put back count as redelivered." },
    ],
    verb: "Get", after: reload,
    run: async (values) => {
      const ackmode = values.ackmode!.startsWith("put") ? "ack_requeue_true" : values.ackmode!.startsWith("ack") ? "ack_requeue_false" : "reject_requeue_false";
      seen.value = await post<Message[]>(path + "/get", { count: Number(values.count), ackmode, encoding: "auto", truncate: 50000 });
      go(`${queuePath({ vhost, name })}?tab=messages`);
      if (seen.value.length === 0) return "The queue has no message that is ready.";
    },
  });
  const askBind = (): void => ask({
    title: `Bind ${name} to an exchange`,
    fields: [{ name: "exchange", label: "Exchange", required: true }, { name: "routing_key", label: "Routing key" }, { name: "arguments", label: "Arguments", kind: "json" }],
    verb: "Bind", after: reload,
    run: async (values) => void (await post(`/api/bindings/${enc(vhost)}/e/${enc(values.exchange!)}/q/${enc(name)}`, { routing_key: values.routing_key ?? "", arguments: jsonIn(values, "arguments") ?? {} })),
  });

  return (
    <Loaded from={queue}>
      {(found) => (
        <Page title={name} of={<><a href="/broker/queues">Queues</a> of {vhost}</>}
          state={<State of={found.state === "running" ? (found.consumers ? "running" : "idle") : found.state} word={found.consumers ? found.state : found.state + ", no consumer"} />}
          acts={<>
            <button type="button" onClick={() => askPublish(vhost, "", name, reload)}>Publish</button>
            <button type="button" onClick={askGet}>Get</button>
            <button type="button" onClick={askMove}>Move</button>
            <button type="button" onClick={askBind}>Bind</button>
            <button type="button" onClick={askPurge}>Purge</button>
            <button type="button" onClick={askDelete}>Delete</button>
          </>}>
          {name.startsWith(task_prefix) ? <p class="banner info">This queue has the tasks <a href={"/tasks/" + enc(name.slice(task_prefix.length))}>{name.slice(task_prefix.length)}</a> of runs: <a href={"/dead?task=" + enc(name.slice(task_prefix.length))}>what failed of them</a>.</p> : null}
          <div class="figures">
            <Figure label="ready" value={many(found.messages_ready)} />
            <Figure label="with consumers" value={many(found.messages_unacknowledged)} />
            <Figure label="in" value={rate(rateOf(found.message_stats, "publish"))} />
            <Figure label="out" value={rate(rateOf(found.message_stats, "deliver_get"))} />
            <Figure label="consumers" value={many(found.consumers)} />
            <Figure label="size" value={bytes(found.message_bytes)} />
          </div>
          <Tabs of={[["rates", "Rates"], ["bindings", "Bindings", bindings.data.value?.length], ["consumers", "Consumers", found.consumers], ["messages", "Messages", seen.value?.length], ["details", "Details"]]} />
          {tabNow("rates") === "rates" ? (
            <div class="two">
              <Panel title="Messages"><Chart title="The last five minutes" {...linesOf(found as never, queue_lengths, "length")} /></Panel>
              <Panel title="Messages per second"><Chart title="The last five minutes" {...linesOf(found.message_stats, queue_rates, "rate")} unit="/s" /></Panel>
            </div>
          ) : null}
          {tabNow("rates") === "bindings" ? <Panel><Bindings label="Bindings into the queue" rows={bindings.data.value ?? []} side="source" onDelete={(one) => askUnbind(one, reload, del)} /></Panel> : null}
          {tabNow("rates") === "consumers" ? (
            <Panel>
              <Table label="Consumers" rows={found.consumer_details ?? []} keyOf={(one) => one.channel_details.name + one.consumer_tag} linkOf={(one) => "/broker/channels/" + enc(one.channel_details.name)} empty="Nobody consumes from this queue."
                columns={[
                  { title: "Channel", show: (one) => one.channel_details.name }, { title: "Tag", show: (one) => <code>{one.consumer_tag}</code>, wide: true },
                  { title: "Acknowledges", show: (one) => (one.ack_required ? "yes" : "no") }, { title: "Prefetch", show: (one) => (one.prefetch_count ? many(one.prefetch_count) : "no limit"), number: true },
                  { title: "Active", show: (one) => <State of={one.active ? "running" : "waiting"} word={one.active ? "yes" : "waits"} /> },
                ]} />
            </Panel>
          ) : null}
          {tabNow("rates") === "messages" ? <Messages of={seen.value} onGet={askGet} /> : null}
          {tabNow("rates") === "details" ? (
            <Panel>
              <Facts of={[
                ["type", found.type], ["durable", found.durable ? "yes" : "no"], ["auto delete", found.auto_delete ? "yes" : "no"], ["exclusive", found.exclusive ? "yes" : "no"],
                ["owner", found.owner_pid_details ? <a key="o" href={"/broker/connections/" + enc(found.owner_pid_details.name)}>{found.owner_pid_details.name}</a> : ""],
                ["arguments", <Arguments key="a" of={found.arguments} />], ["policy", found.policy], ["operator policy", found.operator_policy],
                ["effective policy", <Arguments key="e" of={found.effective_policy_definition} />], ["idle since", found.idle_since ? <Time key="i" at={found.idle_since} /> : ""],
              ]} />
            </Panel>
          ) : null}
        </Page>
      )}
    </Loaded>
  );
}

function Messages({ of, onGet }: { of: Message[] | null; onGet: () => void }): JSX.Element {
  if (!of || of.length === 0) return <Panel><p class="empty">{of ? "The queue had no message that was ready." : "Nothing was looked at yet."} <button type="button" class="link" onClick={onGet}>Get messages</button></p></Panel>;
  return (
    <>
      {of.map((one, i) => (
        <Panel key={i} title={`${i + 1}. ${one.exchange || "(default)"} → ${one.routing_key}`} acts={<CopyButton text={one.payload} label="Copy payload" />}>
          <Facts of={[["bytes", many(one.payload_bytes)], ["redelivered", one.redelivered ? "yes" : "no"], ["encoding", one.payload_encoding], ["behind it", many(one.message_count)]]} />
          <h3>Payload</h3>
          <pre>{one.payload}</pre>
          <h3>Properties</h3>
          <Data of={one.properties} label={`Properties of message ${i + 1}`} />
        </Panel>
      ))}
    </>
  );
}
