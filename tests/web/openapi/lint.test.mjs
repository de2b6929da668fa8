// web/openapi.yaml is what the OpenAPI specification wants, and keeps Redocly's recommended rules but those named here.
import assert from "node:assert/strict";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { createConfig, lint, lintFromString } from "@redocly/openapi-core";

const file = fileURLToPath(new URL("../../../web/openapi.yaml", import.meta.url));
const config = await createConfig({ extends: ["recommended"], rules: { "operation-4xx-response": "off" } }); // each has a default, the problem
const said = (problems) => problems.map((one) => `${one.ruleId}: ${one.message} (${one.location[0]?.pointer ?? ""})`);

test("web/openapi.yaml has no mistake", async () => {
  assert.deepEqual(said(await lint({ ref: file, config })), []);
});

test("a description with a mistake has one", async () => {
  const source = "openapi: 3.1.0\ninfo: {title: x, version: '1'}\npaths: {/a: {get: {responses: {'200': {$ref: '#/components/responses/None'}}}}}\n";
  const problems = said(await lintFromString({ source, config }));
  assert.ok(problems.some((one) => one.startsWith("no-unresolved-refs")), problems.join("\n"));
});
