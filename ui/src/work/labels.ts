// Labels of runs, as the query language and people write them. Pure.

/** A value within a query. */
export const quoted = (text: string): string => `"${text.replaceAll(/["\\]/g, (one) => "\\" + one)}"`;

export const labelled = (name: string, value: string): string => `label.${name}=${quoted(value)}`;

/** "team=ops, region=eu" as labels; throws a sentence. */
export function labelsIn(text: string): Record<string, string> {
  const labels: Record<string, string> = {};
  for (const part of text.split(",").map((one) => one.trim()).filter(Boolean)) {
    const at = part.indexOf("=");
    if (at < 1) throw new Error(`Labels are written as name=value, with commas between: '${part}' is none.`);
    labels[part.slice(0, at).trim()] = part.slice(at + 1).trim();
  }
  return labels;
}
