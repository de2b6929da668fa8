// What a worker says about itself on the exchange baton.announce: one message a task type, when it has connected and
// every half minute; and a last one when it stops. `baton workers` lists it, `baton check --server` uses its schemas.
// Pure.
import os from "node:os";
import type { FieldType, Schema } from "./schema.js";

export const announceExchange = "baton.announce";
/** Milliseconds. Who is silent for three of them is taken for gone. */
export const announceInterval = 30_000;
export const announcedType = "worker";
export const goneType = "worker.gone";

/** The same as JSON Schema (draft 7). What may be missing may be null, too. */
export function jsonSchema(schema: Schema): Record<string, unknown> {
  const properties: Record<string, unknown> = {};
  const required: string[] = [];
  for (const [name, wanted] of Object.entries(schema)) {
    const types: string[] = [wanted].flat() as FieldType[];
    if (!name.endsWith("?")) required.push(name);
    const all = name.endsWith("?") ? [...types, "null"] : types;
    properties[name.replace(/\?$/, "")] = types.includes("any") ? {} : { type: all.length === 1 ? all[0] : all };
  }
  return {
    $schema: "http://json-schema.org/draft-07/schema#", type: "object", properties, additionalProperties: false,
    ...(required.length && { required }),
  };
}

export interface Announced {
  type: string;
  schema: Schema | undefined;
  worker: string;
  queue: string;
  concurrency: number;
  version: string;
}

export function announcement({ type, schema, worker, queue, concurrency, version }: Announced): string {
  return JSON.stringify({
    task: type, worker, version, host: os.hostname(), queue, concurrency, every: announceInterval / 1000,
    ...(schema && { parameters: jsonSchema(schema) }),
  });
}

export function farewell(worker: string): string {
  return JSON.stringify({ worker });
}
