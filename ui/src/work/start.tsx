// Starts a run: a form from the workflow's input where the server tells what it is, JSON otherwise.
import { freshId, ApiError, get, post } from "../api";
import { ask, jsonIn, type Field } from "../parts";
import { enc, go } from "../router";
import { fieldsOf, valuesOf, type Schema } from "../schema";
import { labelsIn } from "./labels";

export interface WorkflowTold { name: string; version: number; source?: string; description?: string; input_schema?: Schema | null; file?: string; etag?: string }

async function workflowTold(name: string): Promise<WorkflowTold | null> {
  return get<WorkflowTold>("/baton/v1/workflows/" + enc(name)).catch(() => null);
}

export async function askStart(after: () => void, workflow?: string, input?: unknown): Promise<void> {
  if (!workflow) {
    const all = await get<{ name: string }[]>("/api/workflows");
    if (all.length === 0) throw new ApiError(0, "none", "No workflow is deployed.");
    ask({
      title: "Start a run", fields: [{ name: "workflow", label: "Of the workflow", kind: "choice", choices: all.map((one) => one.name), required: true }], verb: "Go on",
      run: async (values) => void setTimeout(() => void askStart(after, values.workflow!)),
    });
    return;
  }
  const told = await workflowTold(workflow);
  const schema = input === undefined ? told?.input_schema : null;
  const fields: Field[] = schema ? fieldsOf(schema) : [{ name: "input", label: "Input", kind: "json", value: JSON.stringify(input ?? {}, null, 2), hint: "JSON" }];
  ask({
    title: `Start ${workflow}`, preview: told?.description ? <p>{told.description}</p> : null,
    fields: [...fields, { name: "labels", label: "Labels", hint: "what it can be found by: team=ops, region=eu" }, { name: "key", label: "Key", hint: "While a run with this key is there, it is shown instead of a second one." }],
    verb: "Start", after,
    run: async (values) => {
      const given = schema ? valuesOf(schema, values) : (jsonIn(values, "input") ?? {});
      const labels = labelsIn(values.labels ?? "");
      const started = await post<{ run: string; new: boolean }>("/api/runs", { workflow, input: given, key: values.key || freshId(), ...(Object.keys(labels).length > 0 ? { labels } : {}) });
      go("/runs/" + started.run);
      if (!started.new) return `A run with this key was there already: ${started.run}`;
    },
  });
}
