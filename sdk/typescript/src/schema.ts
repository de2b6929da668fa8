// An optional schema of a task's parameters. Pure.
//
//   { address: "string", "quota_mb?": "integer", "aliases?": "array", "id?": ["integer", "string"], "more?": "any" }
//
// A name that ends in `?` may be missing. Names that are not listed are refused: what nobody reads was meant to
// do something.
import { permanent, type Problem } from "./contract.js";

export type FieldType = "string" | "integer" | "number" | "boolean" | "array" | "object" | "any";
export type Schema = Readonly<Record<string, FieldType | readonly FieldType[]>>;

const words: Record<FieldType, string> = {
  string: "a text", integer: "a whole number", number: "a number", boolean: "true or false", array: "a list", object: "a table",
  any: "anything",
};

function fits(value: unknown, type: FieldType): boolean {
  switch (type) {
    case "any": return true;
    case "integer": return Number.isInteger(value);
    case "array": return Array.isArray(value);
    case "object": return typeof value === "object" && !Array.isArray(value);
    default: return typeof value === type;
  }
}

/** How many letters must be changed, added or taken away. */
function distance(from: string, to: string): number {
  let row = Array.from({ length: to.length + 1 }, (_, i) => i);
  for (let i = 1; i <= from.length; i++) {
    const next = [i];
    for (let j = 1; j <= to.length; j++)
      next.push(Math.min(row[j]! + 1, next[j - 1]! + 1, row[j - 1]! + (from[i - 1] === to[j - 1] ? 0 : 1)));
    row = next;
  }
  return row[to.length]!;
}

/** Throws a TypeError for a schema that nothing could fit, when the worker is made and not at its first task. */
export function checkSchema(schema: Schema): void {
  for (const [name, types] of Object.entries(schema))
    for (const type of [types].flat())
      if (!(type in words)) throw new TypeError(`parameter '${name}': '${type}' is none of ${Object.keys(words).join(", ")}`);
}

export function complaints(schema: Schema, parameters: Readonly<Record<string, unknown>>): string[] {
  const found: string[] = [];
  const known = new Map(Object.entries(schema).map(([name, types]) =>
    [name.replace(/\?$/, ""), { types: [types].flat() as FieldType[], isRequired: !name.endsWith("?") }]));
  for (const [name, { types, isRequired }] of known) {
    const value = Object.hasOwn(parameters, name) ? parameters[name] : undefined;
    if (value === undefined || value === null) {
      if (isRequired) found.push(`'${name}' is missing`);
    } else if (!types.some((type) => fits(value, type))) {
      found.push(`'${name}' must be ${types.map((type) => words[type]).join(" or ")}`);
    }
  }
  for (const name of Object.keys(parameters)) {
    if (known.has(name)) continue;
    const [meant] = [...known.keys()].map((other) => ({ other, far: distance(name, other) })).sort((a, b) => a.far - b.far);
    const isNear = meant && meant.far <= Math.max(name.length, meant.other.length) * 0.4;
    found.push(`'${name}' is not known${isNear ? `; did you mean '${meant.other}'?` : ""}`);
  }
  return found;
}

/** All complaints at once, or nothing. */
export function refusal(schema: Schema | undefined, parameters: Readonly<Record<string, unknown>>): Problem | undefined {
  const found = schema ? complaints(schema, parameters) : [];
  return found.length ? permanent("invalid_input", found.join("; ")) : undefined;
}
