// Packs what Vite built: each file of dist/ becomes FILE.gz as it is embedded and sent. No time stands in them.
import { gzipSync } from "node:zlib";
import { readdirSync, readFileSync, writeFileSync, unlinkSync } from "node:fs";
import { join } from "node:path";

const dist = new URL("dist/", import.meta.url).pathname;
for (const entry of readdirSync(dist, { recursive: true, withFileTypes: true })) {
  if (!entry.isFile() || entry.name.endsWith(".gz")) continue;
  const path = join(entry.parentPath, entry.name);
  const packed = gzipSync(readFileSync(path), { level: 9 });
  packed[9] = 255; // the system it was packed on: none
  writeFileSync(path + ".gz", packed);
  unlinkSync(path);
}
