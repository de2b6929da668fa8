// What waits for somebody's word: mine first.
import type { JSX } from "preact";
import { get, usePolled } from "../api";
import { Loaded, Page, Panel, Table, Time } from "../parts";
import type { Schema } from "../schema";
import { askDecision } from "./run";
import type { WholeRun } from "./types";

interface Asked { run: string; workflow: string; step: string; title: string; by: string[]; quorum: number; until: string | null; since: string; form: Schema | null; mine: boolean }

export function Approvals(): JSX.Element {
  const asked = usePolled<{ items: Asked[] }>(() => "/baton/v1/approvals?limit=200", 5, { topics: ["runs"] });
  const decide = (one: Asked, approves: boolean): void => void get<WholeRun>("/api/runs/" + one.run).then((run) => {
    const step = run.steps.find((each) => each.step === one.step);
    askDecision(run, { step: one.step, waits_for: step?.waits_for ?? { approval: { title: one.title, by: one.by } } }, one.form, approves, asked.reload);
  });
  const list = (title: string, rows: Asked[], empty: string): JSX.Element => (
    <Panel title={title}>
      <Table label={title} rows={rows} keyOf={(one) => one.run + one.step} linkOf={(one) => "/runs/" + one.run} empty={empty}
        columns={[
          { title: "What", show: (one) => one.title || one.step }, { title: "Workflow", show: (one) => one.workflow, wide: true }, { title: "Asked", show: (one) => one.by.join(", ") || "whoever may operate", wide: true },
          { title: "Since", show: (one) => <Time at={one.since} since />, number: true }, { title: "Due", show: (one) => (one.until ? <Time at={one.until} /> : ""), number: true },
          { title: "Decide", number: true, show: (one) => <><button type="button" class="quiet" aria-label={`Approve ${one.title}`} onClick={() => decide(one, true)}>Approve</button><button type="button" class="quiet" aria-label={`Reject ${one.title}`} onClick={() => decide(one, false)}>Reject</button></> },
        ]} />
    </Panel>
  );
  return (
    <Page title="Approvals">
      <Loaded from={asked}>
        {(found) => <>{list("For you", found.items.filter((one) => one.mine), "Nobody waits for you.")}{found.items.some((one) => !one.mine) ? list("For others", found.items.filter((one) => !one.mine), "") : null}</>}
      </Loaded>
    </Page>
  );
}
