// Values as people read them. Pure, except for the zone and language of the browser.
export const many = (count: number | null | undefined): string => (count ?? 0).toLocaleString("en");

export function rate(value: number | undefined): string {
  if (!value) return "0/s";
  return (value < 10 ? value.toFixed(1) : many(Math.round(value))) + "/s";
}

export function bytes(count: number | undefined): string {
  let value = count ?? 0;
  for (const unit of ["B", "KiB", "MiB", "GiB", "TiB"]) {
    if (value < 1024 || unit === "TiB") return (unit === "B" || value >= 100 ? Math.round(value) : value.toFixed(1)) + " " + unit;
    value /= 1024;
  }
  return "";
}

export function duration(seconds: number): string {
  const all = Math.max(0, seconds);
  if (all < 1) return Math.round(all * 1000) + " ms";
  if (all < 60) return (all < 10 ? all.toFixed(1) : Math.round(all)) + " s";
  if (all < 3600) return Math.floor(all / 60) + " min" + (all < 600 && Math.round(all % 60) ? ` ${Math.round(all % 60)} s` : "");
  if (all < 86400 * 2) return Math.floor(all / 3600) + " h" + (Math.floor((all % 3600) / 60) ? ` ${Math.floor((all % 3600) / 60)} min` : "");
  return Math.floor(all / 86400) + " d";
}

export const plural = (count: number, one: string, other = one + "s"): string => `${many(count)} ${count === 1 ? one : other}`;

const two = (value: number): string => String(value).padStart(2, "0");
export function localTime(at: string | number): string {
  const time = new Date(at);
  return `${time.getFullYear()}-${two(time.getMonth() + 1)}-${two(time.getDate())} ${two(time.getHours())}:${two(time.getMinutes())}:${two(time.getSeconds())}`;
}

export const asJson = (value: unknown): string => JSON.stringify(value, null, 2) ?? "null";
