// Behind the compiler: tells Node that dist/cjs holds CommonJS.
import { writeFileSync } from "node:fs";

writeFileSync(new URL("dist/cjs/package.json", import.meta.url), '{"type":"commonjs"}\n');
