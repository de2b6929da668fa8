// Forms from JSON Schema: what is asked for, and what was filled in.
import { jsonIn, type Field, type Values } from "./parts";

export interface Schema {
  type?: string | string[]; properties?: Record<string, Schema>; required?: string[]; enum?: unknown[]; description?: string; default?: unknown; format?: string; items?: Schema;
}

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
