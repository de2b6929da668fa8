// How the page is built: plain Vite, Preact by TypeScript's own JSX. The same sources give the same files, so that the
// committed dist/ can be compared with a fresh one.
import { defineConfig } from "vite";

const server = process.env.BATON_URL ?? "http://127.0.0.1:15672";

export default defineConfig({
  esbuild: { jsx: "automatic", jsxImportSource: "preact" },
  build: {
    target: "es2022",
    cssTarget: ["chrome123", "firefox121", "safari17.5"],
    modulePreload: false,
    assetsInlineLimit: 0,
    reportCompressedSize: false,
  },
  server: { proxy: Object.fromEntries(["/api", "/metrics", "/baton"].map((path) => [path, { target: server }])) },
});
