// Repair by example: somebody mends the input of one dead letter, and the same change is made to the others. What "the
// same" is: a value that was set in the example is set; a part of a text that was replaced is replaced wherever the other
// text has it; a member that was taken out is taken out. The server makes the changes. Pure.
type Path = (string | number)[];
export type Change =
  | { kind: "set"; path: Path; before: unknown; after: unknown }
  | { kind: "replace"; path: Path; find: string; put: string; at: "start" | "end" | "any" }
  | { kind: "remove"; path: Path };

const isObject = (value: unknown): value is Record<string, unknown> => typeof value === "object" && value !== null && !Array.isArray(value);
const same = (one: unknown, other: unknown): boolean => JSON.stringify(one) === JSON.stringify(other);

export function changesOf(before: unknown, after: unknown, path: Path = []): Change[] {
  if (same(before, after)) return [];
  if (isObject(before) && isObject(after)) {
    const names = new Set([...Object.keys(before), ...Object.keys(after)]);
    return [...names].flatMap((name) => (!(name in after) ? [{ kind: "remove", path: [...path, name] } as Change] : changesOf(before[name], after[name], [...path, name])));
  }
  if (Array.isArray(before) && Array.isArray(after) && before.length === after.length) return before.flatMap((one, i) => changesOf(one, after[i], [...path, i]));
  if (typeof before === "string" && typeof after === "string" && before !== "" && after !== "") {
    let start = 0;
    while (start < before.length && start < after.length && before[start] === after[start]) ++start;
    let end = 0;
    while (end < before.length - start && end < after.length - start && before[before.length - 1 - end] === after[after.length - 1 - end]) ++end;
    // Nothing in common: it is another value, not a part of it.
    if (start + end > 0) {
      // At whole words: "exmaple" for "example" says more than "ma" for "am".
      const isWord = (sign: string | undefined): boolean => sign !== undefined && /[\p{L}\p{N}]/u.test(sign);
      const isInside = before.length - start - end > 0;
      if (isInside) {
        while (start > 0 && isWord(before[start - 1])) --start;
        while (end > 0 && isWord(before[before.length - end])) --end;
      }
      const find = before.slice(start, before.length - end);
      const put = after.slice(start, after.length - end);
      // The word is the whole text: of the others each has its own, so only what stands behind or before it is the change.
      if (find !== before || !isInside) return [{ kind: "replace", path, find, put, at: find === "" ? (start === 0 ? "start" : "end") : "any" }];
      if (after.startsWith(before)) return [{ kind: "replace", path, find: "", put: after.slice(before.length), at: "end" }];
      if (after.endsWith(before)) return [{ kind: "replace", path, find: "", put: after.slice(0, after.length - before.length), at: "start" }];
    }
  }
  return [{ kind: "set", path, before, after }];
}

export function told(change: Change): string {
  const path = change.path.join(".") || "the whole input";
  if (change.kind === "set") return `${path} becomes ${JSON.stringify(change.after)}`;
  if (change.kind === "remove") return `${path} is taken out`;
  if (change.find === "") return change.at === "end" ? `${path} gets "${change.put}" at its end` : `${path} gets "${change.put}" at its beginning`;
  return `in ${path}, "${change.find}" becomes "${change.put}"`;
}
