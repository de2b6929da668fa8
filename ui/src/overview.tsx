// Is all well, and if not, where to look: the first page.
import type { JSX } from "preact";
import { may, usePolled } from "./api";
import { Chart, linesOf, overview_rates, queue_lengths, rateOf, sampled, type Stats } from "./chart";
import { many, plural, rate } from "./format";
import { Figure, Loaded, Page, Panel, State, Table, Time } from "./parts";
import { enc } from "./router";
import type { Cause } from "./work/types";

interface Health {
  status: "ok" | "degraded" | "failing";
  reason?: string;
  parts: Record<string, string>;
}
interface Count { workflow: string; status: string; count: number }
export interface BrokerOverview {
  message_stats?: Stats;
  queue_totals: Record<string, number> & Stats;
  object_totals: Record<string, number>;
  publishers_wait?: boolean;
  started_at: string;
  baton_version: string;
  node: string;
  stored_bytes?: number;
  listeners: { protocol: string; ip_address: string; port: number }[];
}

export function Overview(): JSX.Element {
  const health = usePolled<Health>(() => "/api/health", 5);
  return (
    <Page title="Overview" state={health.data.value ? <State of={health.data.value.status} /> : null}>
      {health.data.value && health.data.value.status !== "ok" ? <p class="banner" role="status">{health.data.value.reason}</p> : null}
      {may.look() ? <Work /> : null}
      {may.broker() ? <BrokerPart /> : null}
      {health.data.value ? (
        <Panel title="Parts of the server">
          <ul class="parts">
            {Object.entries(health.data.value.parts).map(([part, told]) => (
              <li key={part}>
                <State of={told === "ok" ? "ok" : "degraded"} word={part} />
                {told === "ok" ? null : <span>{told}</span>}
              </li>
            ))}
          </ul>
        </Panel>
      ) : null}
    </Page>
  );
}

export function sumOf(counts: Count[], ...statuses: string[]): number {
  return counts.filter((one) => statuses.includes(one.status)).reduce((sum, one) => sum + one.count, 0);
}

function Work(): JSX.Element {
  const counts = usePolled<Count[]>(() => "/api/counts", 5, { topics: ["runs"] });
  const causes = usePolled<Cause[]>(() => "/api/dead/groups?limit=5", 5, { topics: ["dead"] });
  const recent = usePolled<{ runs: { id: string; workflow: string; status: string; started_at: string; error: string | null; error_type: string | null }[] }>(() => "/api/runs?q=status%3Afailed&limit=5", 5, { topics: ["runs"] });
  return (
    <Loaded from={counts}>
      {(all) => {
        const workflows = [...new Set(all.map((one) => one.workflow))];
        return (
          <>
            <div class="figures">
              <Figure label="running" value={many(sumOf(all, "running"))} to="/runs?q=status:running" kind="busy" />
              <Figure label="queued" value={many(sumOf(all, "queued"))} to="/runs?q=status:queued" />
              <Figure label="paused" value={many(sumOf(all, "paused"))} to="/runs?q=status:paused" />
              <Figure label="undoing" value={many(sumOf(all, "compensating"))} to="/runs?q=status:compensating" />
              <Figure label="failed" value={many(sumOf(all, "failed", "timed_out"))} to="/runs?q=status:failed status:timed_out" kind={sumOf(all, "failed", "timed_out") ? "bad" : ""} />
              <Figure label="completed" value={many(sumOf(all, "completed"))} to="/runs?q=status:completed" />
              <Figure label="dead letters" value={many(causes.data.value?.reduce((sum, one) => sum + one.count, 0))} to="/dead" kind={causes.data.value?.length ? "bad" : ""} />
            </div>
            <div class="two">
              <Panel title="Why things fail now" acts={<a href="/dead">All causes</a>}>
                <Table label="Causes of dead letters" rows={causes.data.value ?? []} keyOf={(one) => one.group} linkOf={(one) => "/dead/" + enc(one.group)}
                  empty="No dead letters."
                  columns={[
                    { title: "Cause", show: (one) => one.error_type ?? one.reason },
                    { title: "Task", show: (one) => one.task },
                    { title: "Count", show: (one) => many(one.count), number: true },
                    { title: "Last", show: (one) => <Time at={one.last} />, wide: true },
                  ]} />
              </Panel>
              <Panel title="Failed last" acts={<a href="/runs?q=status:failed">All failed</a>}>
                <Table label="Runs that failed last" rows={recent.data.value?.runs ?? []} keyOf={(one) => one.id} linkOf={(one) => "/runs/" + one.id}
                  empty="No run has failed."
                  columns={[
                    { title: "Workflow", show: (one) => one.workflow },
                    { title: "Error", show: (one) => one.error_type ?? one.error ?? "" },
                    { title: "Started", show: (one) => <Time at={one.started_at} />, number: true },
                  ]} />
              </Panel>
            </div>
            <Panel title="Runs by workflow" acts={<a href="/workflows">All workflows</a>}>
              <Table label="Runs by workflow" rows={workflows} keyOf={(one) => one} linkOf={(one) => "/workflows/" + enc(one)} empty="Nothing has run yet."
                columns={[
                  { title: "Workflow", show: (one) => one },
                  ...([["running", ["running", "queued", "compensating"]], ["paused", ["paused"]], ["failed", ["failed", "timed_out"]], ["completed", ["completed"]], ["ended otherwise", ["cancelled", "compensated"]]] as [string, string[]][])
                    .map(([title, statuses]) => ({ title, number: true, show: (one: string) => many(sumOf(all.filter((row) => row.workflow === one), ...statuses)) })),
                ]} />
            </Panel>
          </>
        );
      }}
    </Loaded>
  );
}

function BrokerPart(): JSX.Element {
  const overview = usePolled<BrokerOverview>(() => "/api/overview?" + sampled, 5);
  return (
    <Loaded from={overview}>
      {(found) => {
        const flow = linesOf(found.message_stats, overview_rates.slice(0, 3), "rate");
        const lengths = linesOf(found.queue_totals, queue_lengths.slice(0, 2), "length");
        return (
          <Panel title="Broker" acts={<a href="/broker">Rates and totals</a>}>
            {found.publishers_wait ? <p class="banner" role="status">Publishers wait: the broker is short of memory or disk.</p> : null}
            <p class="sentence">
              {rate(rateOf(found.message_stats, "publish"))} in, {rate(rateOf(found.message_stats, "deliver_get"))} out; {plural(found.queue_totals.messages_ready ?? 0, "message")} ready,{" "}
              {many(found.queue_totals.messages_unacknowledged)} with consumers; <a href="/broker/queues">{plural(found.object_totals.queues ?? 0, "queue")}</a>,{" "}
              <a href="/broker/connections">{plural(found.object_totals.connections ?? 0, "connection")}</a>
            </p>
            <div class="two">
              <Chart title="Messages per second" {...flow} unit="/s" />
              <Chart title="Messages in queues" {...lengths} />
            </div>
          </Panel>
        );
      }}
    </Loaded>
  );
}
