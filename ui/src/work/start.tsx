// Starts a run: a form from the workflow's input where the server tells what it is, JSON otherwise.
import { freshId, ApiError, get, post } from "../api";
import { ask, jsonIn, type Field, type Values } from "../parts";
import { enc, go } from "../router";
import { labelsIn } from "./labels";

export interface Schema {
  type?: string | string[]; properties?: Record<string, Schema>; required?: string[]; enum?: unknown[]; description?: string; default?: unknown; format?: string; items?: Schema;
}
export interface WorkflowTold { name: string; version: number; source?: string; description?: string; input_schema?: Schema | null; file?: string; etag?: string }

const typeOf = (schema: Schema): string => (Array.isArray(schema.type) ? (schema.type.find((type) => type !== "null") ?? "") : (schema.type ?? ""));
const plain = (type: string): boolean => ["string", "integer", "number", "boolean"].includes(type);

export function fieldsOf(schema: Schema): Field[] {
  return Object.entries(schema.properties ?? {}).map(([name, one]): Field => {
    const type = typeOf(one);
    const required = schema.required?.includes(name) ?? false;
    const value = one.default === undefined || one.default === null ? "" : typeof one.default === "object" ? JSON.stringify(one.default) : String(one.default);
    const hint = [one.description, one.format, plain(type) ? "" : "JSON"].filter(Boolean).join(", ");
    const shared = { name: "input." + name, label: name, required, value, ...(hint ? { hint } : {}) };
    if (one.enum) return { ...shared, kind: "choice", choices: [...(required ? [] : [""]), ...one.enum.map(String)], value: value || (required ? String(one.enum[0]) : "") };
    if (type === "boolean") return { ...shared, kind: "choice", choices: [...(required ? [] : [""]), "true", "false"] };
    return { ...shared, kind: type === "integer" || type === "number" ? "number" : plain(type) ? "text" : "json" };
  });
}

export function valuesOf(schema: Schema, values: Values): Record<string, unknown> {
  const input: Record<string, unknown> = {};
  for (const [name, one] of Object.entries(schema.properties ?? {})) {
    const text = values["input." + name];
    if (text === undefined || text === "") continue;
    const type = typeOf(one);
    if (type === "integer" || type === "number") input[name] = Number(text);
    else if (type === "boolean") input[name] = text === "true";
    else if (type === "string" || (one.enum && plain(type))) input[name] = text;
    else input[name] = jsonIn(values, "input." + name);
  }
  return input;
}

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
