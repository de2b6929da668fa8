// Who is connected, with which channels, and who consumes.
import type { JSX } from "preact";
import { del, may, usePolled } from "../api";
import { Chart, linesOf, queue_rates, rateOf, sampled } from "../chart";
import { bytes, many, rate } from "../format";
import type { Props } from "../pages";
import { ListPage } from "../lists";
import { ask, Data, Facts, Figure, listQuery, Loaded, Page, Panel, State, Table, Time, type Column, type ServerPage, type TableProps } from "../parts";
import { enc, go, query } from "../router";
import { inVhost, queuePath, VhostChoice } from "./shared";
import type { Channel as ChannelTold, Connection as ConnectionTold, Consumer } from "./types";

const ofVhost = (list: string): string => {
  const vhost = query.value.get("vhost");
  return vhost ? `/api/vhosts/${enc(vhost)}/${list}` : `/api/${list}`;
};
const told = (one: ConnectionTold): string => one.user_provided_name ?? one.name;

export function Connections(): JSX.Element {
  return (
    <ListPage title="Connections" finder="Name contains" beside={<VhostChoice />} from={usePolled<ServerPage<ConnectionTold>>(() => `${ofVhost("connections")}?${listQuery()}`, 5)}
      keyOf={(one) => one.name} linkOf={(one) => "/broker/connections/" + enc(one.name)} empty="No connection fits."
      columns={[
        { title: "Name", show: (one) => <>{told(one)}{one.user_provided_name ? <><br /><small>{one.name}</small></> : null}</>, sort: "name" },
        { title: "User", show: (one) => one.user, sort: "user" },
        { title: "Host", show: (one) => one.vhost, wide: true },
        { title: "State", show: (one) => <State of={one.state} /> },
        { title: "TLS", show: (one) => (one.ssl ? "yes" : "no"), wide: true },
        { title: "Channels", show: (one) => many(one.channels), number: true, sort: "channels", wide: true },
        { title: "Receives", show: (one) => bytes(one.recv_oct_details?.rate) + "/s", number: true, sort: "recv_oct_details.rate", wide: true },
        { title: "Sends", show: (one) => bytes(one.send_oct_details?.rate) + "/s", number: true, sort: "send_oct_details.rate", wide: true },
        { title: "Since", show: (one) => <Time at={one.connected_at} since />, number: true, sort: "connected_at", wide: true },
      ]} />
  );
}

export function Connection({ at }: Props): JSX.Element {
  const name = at.name!;
  const path = "/api/connections/" + enc(name);
  const connection = usePolled<ConnectionTold>(() => path, 5);
  const channels = usePolled<ChannelTold[]>(() => path + "/channels", 5);
  const askClose = (): void => ask({
    title: "Close this connection",
    preview: <p>The client is told the reason; what it has not acknowledged goes back into the queues. Most clients connect again.</p>,
    fields: [{ name: "reason", label: "Reason, as the client will read it", required: true }], verb: "Close it", isDanger: true,
    run: async (values) => {
      await del(path, undefined, { "X-Reason": values.reason! });
      go("/broker/connections");
    },
  });
  return (
    <Loaded from={connection}>
      {(found) => (
        <Page title={told(found)} of={<a href="/broker/connections">Connections</a>} state={<State of={found.state} />} acts={<button type="button" onClick={askClose}>Close</button>}>
          <div class="figures">
            <Figure label="receives" value={bytes(found.recv_oct_details?.rate) + "/s"} />
            <Figure label="sends" value={bytes(found.send_oct_details?.rate) + "/s"} />
            <Figure label="received" value={bytes(found.recv_oct)} />
            <Figure label="sent" value={bytes(found.send_oct)} />
            <Figure label="channels" value={many(found.channels)} />
          </div>
          <Panel title="Channels"><Table label="Channels" rows={channels.data.value ?? []} keyOf={(one) => one.name} linkOf={channelLink} empty="It has no channel open." columns={channelColumns.map(({ sort: _, ...column }) => column)} /></Panel>
          <Panel title="What it is">
            <Facts of={[
              ["name", found.name], ["user", may.administer() ? <a key="u" href={"/admin/users/" + enc(found.user)}>{found.user}</a> : found.user], ["virtual host", found.vhost], ["from", `${found.peer_host}:${found.peer_port}`],
              ["protocol", found.protocol], ["TLS", found.ssl ? "yes" : "no"], ["log-in", found.auth_mechanism], ["heartbeat", found.timeout ? found.timeout + " s" : "off"],
              ["frame max", bytes(found.frame_max)], ["channel max", many(found.channel_max)], ["since", <Time key="s" at={found.connected_at} since />],
            ]} />
          </Panel>
          <Panel title="What the client says of itself"><Data of={found.client_properties} label="Client properties" /></Panel>
        </Page>
      )}
    </Loaded>
  );
}

const channelColumns: Column<ChannelTold>[] = [
  { title: "Channel", show: (one) => one.name, sort: "name" },
  { title: "User", show: (one) => one.user, wide: true },
  { title: "Mode", show: (one) => (one.confirm ? "confirms" : one.transactional ? "transactions" : "plain"), wide: true },
  { title: "Consumers", show: (one) => many(one.consumer_count), number: true, sort: "consumer_count" },
  { title: "Prefetch", show: (one) => (one.prefetch_count ? many(one.prefetch_count) : "–"), number: true, wide: true },
  { title: "Unacked", show: (one) => many(one.messages_unacknowledged), number: true, sort: "messages_unacknowledged" },
  { title: "Publishes", show: (one) => rate(rateOf(one.message_stats, "publish")), number: true, wide: true },
  { title: "Gets", show: (one) => rate(rateOf(one.message_stats, "deliver_get")), number: true, wide: true },
];
const channelLink = (one: ChannelTold): string => "/broker/channels/" + enc(one.name);

export function Channels(): JSX.Element {
  return (
    <ListPage title="Channels" finder="Name contains" beside={<VhostChoice />} from={usePolled<ServerPage<ChannelTold>>(() => `${ofVhost("channels")}?${listQuery()}`, 5)}
      keyOf={(one) => one.name} linkOf={channelLink} empty="No channel fits." columns={channelColumns} />
  );
}

export function Channel({ at }: Props): JSX.Element {
  const name = at.name!;
  const channel = usePolled<ChannelTold>(() => `/api/channels/${enc(name)}?${sampled}`, 5);
  return (
    <Loaded from={channel}>
      {(found) => (
        <Page title={name} of={<a href="/broker/channels">Channels</a>} state={<State of={found.state} />}>
          <div class="figures">
            <Figure label="unacked" value={many(found.messages_unacknowledged)} />
            <Figure label="unconfirmed" value={many(found.messages_unconfirmed)} />
            <Figure label="publishes" value={rate(rateOf(found.message_stats, "publish"))} />
            <Figure label="gets" value={rate(rateOf(found.message_stats, "deliver_get"))} />
            <Figure label="acknowledges" value={rate(rateOf(found.message_stats, "ack"))} />
          </div>
          <Panel title="Messages per second"><Chart title="The last five minutes" {...linesOf(found.message_stats, queue_rates, "rate")} unit="/s" /></Panel>
          <Panel title="Consumers"><Table label="Consumers" rows={found.consumer_details ?? []} {...consumerTable} /></Panel>
          <Panel title="What it is">
            <Facts of={[
              ["connection", <a key="c" href={"/broker/connections/" + enc(found.connection_details.name)}>{found.connection_details.name}</a>], ["number", found.number], ["user", found.user], ["virtual host", found.vhost],
              ["confirms", found.confirm ? "yes" : "no"], ["transactions", found.transactional ? "yes" : "no"], ["prefetch of each consumer", found.prefetch_count || "no limit"], ["prefetch of the channel", found.global_prefetch_count || "no limit"],
            ]} />
          </Panel>
        </Page>
      )}
    </Loaded>
  );
}

const consumerTable: Pick<TableProps<Consumer>, "keyOf" | "linkOf" | "empty" | "columns"> = {
  keyOf: (one) => one.channel_details.name + one.consumer_tag, linkOf: (one) => queuePath(one.queue), empty: "Nobody consumes.",
  columns: [
    { title: "Queue", show: (one) => one.queue.name }, { title: "Channel", show: (one) => <a href={"/broker/channels/" + enc(one.channel_details.name)}>{one.channel_details.name}</a> },
    { title: "Tag", show: (one) => <code>{one.consumer_tag}</code>, wide: true }, { title: "Acknowledges", show: (one) => (one.ack_required ? "yes" : "no"), wide: true },
    { title: "Prefetch", show: (one) => (one.prefetch_count ? many(one.prefetch_count) : "no limit"), number: true }, { title: "Active", show: (one) => <State of={one.active ? "running" : "waiting"} word={one.active ? "yes" : "waits"} /> },
  ],
};

export function Consumers(): JSX.Element {
  return <ListPage title="Consumers" finder="Queue contains" beside={<VhostChoice />} from={usePolled<ServerPage<Consumer>>(() => `${inVhost("consumers")}?${listQuery()}`, 5)} {...consumerTable} />;
}
