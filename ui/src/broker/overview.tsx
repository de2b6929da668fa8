// The broker as a whole: what flows, what waits, where it listens.
import type { JSX } from "preact";
import { usePolled } from "../api";
import { Chart, linesOf, overview_rates, queue_lengths, rateOf, sampled } from "../chart";
import { bytes, many, rate } from "../format";
import type { BrokerOverview } from "../overview";
import { Facts, Figure, Loaded, Page, Panel, State, Table, Time } from "../parts";

interface Node {
  name: string; uptime?: number; fd_used?: number; fd_total?: number; mem_used?: number; mem_limit?: number; disk_free?: number; disk_free_limit?: number; mem_alarm?: boolean; disk_free_alarm?: boolean; running?: boolean;
}

export function Broker(): JSX.Element {
  const overview = usePolled<BrokerOverview>(() => "/api/overview?" + sampled, 5);
  const nodes = usePolled<Node[]>(() => "/api/nodes", 10);
  return (
    <Loaded from={overview}>
      {(found) => (
        <Page title="Broker" of={found.node} state={found.publishers_wait ? <State of="blocked" word="publishers wait" /> : <State of="ok" word="takes messages" />}>
          <div class="figures">
            <Figure label="ready" value={many(found.queue_totals.messages_ready)} to="/broker/queues?sort=messages_ready&sort_reverse=true" />
            <Figure label="with consumers" value={many(found.queue_totals.messages_unacknowledged)} to="/broker/queues?sort=messages_unacknowledged&sort_reverse=true" />
            <Figure label="queues" value={many(found.object_totals.queues)} to="/broker/queues" />
            <Figure label="exchanges" value={many(found.object_totals.exchanges)} to="/broker/exchanges" />
            <Figure label="connections" value={many(found.object_totals.connections)} to="/broker/connections" />
            <Figure label="channels" value={many(found.object_totals.channels)} to="/broker/channels" />
            <Figure label="consumers" value={many(found.object_totals.consumers)} to="/broker/consumers" />
          </div>
          <div class="two">
            <Panel title="Messages per second"><Chart title="The last five minutes" {...linesOf(found.message_stats, overview_rates, "rate")} unit="/s" /></Panel>
            <Panel title="Messages in queues"><Chart title="The last five minutes" {...linesOf(found.queue_totals, queue_lengths, "length")} /></Panel>
          </div>
          <div class="two">
            <Panel title="Now">
              <Facts of={[
                ["published", rate(rateOf(found.message_stats, "publish"))], ["confirmed", rate(rateOf(found.message_stats, "confirm"))],
                ["delivered and got", rate(rateOf(found.message_stats, "deliver_get"))], ["acknowledged", rate(rateOf(found.message_stats, "ack"))],
                ["redelivered", rate(rateOf(found.message_stats, "redeliver"))], ["unroutable, dropped", many(Number(found.message_stats?.drop_unroutable ?? 0))],
                ["bytes of messages", bytes(found.stored_bytes)], ["since", <Time key="t" at={found.started_at} since />],
              ]} />
            </Panel>
            <Panel title="Listens on">
              <Table label="Listeners" rows={found.listeners} keyOf={(one) => one.protocol + one.ip_address + one.port} empty="Nowhere."
                columns={[{ title: "Protocol", show: (one) => one.protocol }, { title: "Address", show: (one) => one.ip_address }, { title: "Port", show: (one) => one.port, number: true }]} />
            </Panel>
          </div>
          {nodes.data.value?.map((node) => (
            <Panel key={node.name} title={`Node ${node.name}`}>
              <Facts of={[
                ["memory", node.mem_limit ? `${bytes(node.mem_used)} of ${bytes(node.mem_limit)}` : bytes(node.mem_used)], ["memory alarm", node.mem_alarm ? <State key="m" of="failing" word="yes" /> : "no"],
                ["disk free", bytes(node.disk_free)], ["disk alarm", node.disk_free_alarm ? <State key="d" of="failing" word="yes" /> : "no"],
                ["descriptors", node.fd_total ? `${many(node.fd_used)} of ${many(node.fd_total)}` : ""],
              ]} />
            </Panel>
          ))}
        </Page>
      )}
    </Loaded>
  );
}
