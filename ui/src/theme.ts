// Dark or light: the system's, unless somebody chose; the choice stays in this browser.
import { effect, signal } from "@preact/signals";

type Theme = "system" | "light" | "dark";
const kept = "baton-theme";
const stored = localStorage.getItem(kept);
export const theme = signal<Theme>(stored === "light" || stored === "dark" ? stored : "system");
const wantsDark = matchMedia("(prefers-color-scheme: dark)");
const isDark = signal(wantsDark.matches);
wantsDark.addEventListener("change", () => (isDark.value = wantsDark.matches));
export const scheme = signal<"light" | "dark">("light");

effect(() => {
  scheme.value = theme.value === "system" ? (isDark.value ? "dark" : "light") : theme.value;
  if (theme.value === "system") localStorage.removeItem(kept);
  else localStorage.setItem(kept, theme.value);
  document.documentElement.dataset.theme = theme.value;
});

export const nextTheme = (): void =>
  void (theme.value = theme.value === "system" ? (isDark.value ? "light" : "dark") : theme.value === "dark" ? (isDark.value ? "system" : "light") : isDark.value ? "dark" : "system");
