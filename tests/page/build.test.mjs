// The committed page is what its sources give, and keeps its budgets: 80 KB for the first view, 250 KB for all, as sent.
// Node 20 is needed to build it; the budgets are looked at in any case.
import { test } from "node:test";
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { cpSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { join, relative, resolve } from "node:path";
import { gunzipSync } from "node:zlib";

const ui = resolve(import.meta.dirname ?? new URL(".", import.meta.url).pathname, "../../ui");
const files = (folder) => readdirSync(folder, { recursive: true, withFileTypes: true }).filter((one) => one.isFile()).map((one) => relative(folder, join(one.parentPath ?? one.path, one.name))).sort();
const size = (name) => readFileSync(join(ui, "dist", name)).length;

test("the first view has at most 80 KB and all of it at most 250 KB", () => {
  const index = gunzipSync(readFileSync(join(ui, "dist/index.html.gz"))).toString();
  const first = ["index.html.gz", ...[...index.matchAll(/(?:src|href)="\/(assets\/[^"]+)"/g)].map((found) => found[1] + ".gz")];
  assert.ok(first.length >= 3, "a script and a style at least");
  const sum = (names) => names.reduce((all, name) => all + size(name), 0);
  const all = files(join(ui, "dist"));
  console.log(`first view ${sum(first)} bytes, all ${sum(all)} bytes in ${all.length} files`);
  assert.ok(sum(first) <= 80 * 1024, `the first view has ${sum(first)} bytes`);
  assert.ok(sum(all) <= 250 * 1024, `all has ${sum(all)} bytes`);
});

test("nothing in it names another server", () => {
  for (const name of files(join(ui, "dist"))) {
    const text = gunzipSync(readFileSync(join(ui, "dist", name))).toString();
    const named = [...text.matchAll(/https?:\/\/[a-z0-9.-]+/gi)].map((found) => found[0]).filter((url) => !/^http:\/\/www\.w3\.org$/.test(url));
    assert.deepEqual(named, [], name);
  }
});

const isNew = Number(process.versions.node.split(".")[0]) >= 20;
test("a fresh build gives the committed files", { skip: isNew ? false : "needs Node 20" }, () => {
  assert.ok(existsSync(join(ui, "node_modules")), "npm ci in ui/ was not run: scripts/setup does it");
  const home = mkdtempSync("/tmp/baton-ui-");
  try {
    cpSync(ui, home, { recursive: true, filter: (path) => !/\/(dist|node_modules)$/.test(path) });
    execFileSync("ln", ["-s", join(ui, "node_modules"), join(home, "node_modules")]);
    execFileSync("npm", ["run", "-s", "build"], { cwd: home, stdio: ["ignore", "ignore", "inherit"] });
    assert.deepEqual(files(join(home, "dist")), files(join(ui, "dist")), "the files; run npm run build in ui/ and commit dist/");
    for (const name of files(join(home, "dist"))) {
      const read = (folder) => gunzipSync(readFileSync(join(folder, "dist", name))).toString();
      assert.equal(read(home), read(ui), `${name}; run npm run build in ui/ and commit dist/`);
    }
  } finally {
    rmSync(home, { recursive: true, force: true });
  }
});

test("what a source gives out another takes", () => {
  const sources = files(join(ui, "src")).filter((name) => /\.tsx?$/.test(name)).map((name) => [name, readFileSync(join(ui, "src", name), "utf8")]);
  const tests = readFileSync(resolve(ui, "../tests/page/pure.test.ts"), "utf8");
  const idle = [];
  for (const [name, text] of sources) {
    // all.tsx of a folder is its door: what it gives out pages.tsx names in quotes.
    const given = [...text.matchAll(/^export (?:async )?(?:const|function|class|interface|type) (\w+)|^export \{ ([^}]+) \}/gm)].flatMap((found) => (found[1] ? [found[1]] : found[2].split(",").map((one) => one.trim())));
    for (const one of given) if (![...sources.filter(([other]) => other !== name).map(([, other]) => other), tests].some((other) => new RegExp(`\\b${one}\\b`).test(other))) idle.push(`${name}: ${one}`);
  }
  assert.deepEqual(idle, []);
});
