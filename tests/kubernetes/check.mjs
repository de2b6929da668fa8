// Checks deploy/kubernetes against the schemas of the Kubernetes API, without a cluster:
//   node check.mjs FOLDER       exit code 0 when nothing is wrong; else each mistake is a line
// The models are made from the API's own description: their validators check values, and the compiler's types find
// members that do not exist, which the API's schemas let pass. Beside the schemas: what names something must name
// something that is there, and every pod must be what the profile `restricted` allows.
import { mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import ts from "typescript";
import { parseAllDocuments } from "yaml";

const here = dirname(fileURLToPath(import.meta.url));
const folder = process.argv[2];
const mistakes = [];
const objects = [];
for (const file of readdirSync(folder).filter((name) => name.endsWith(".yaml")).sort())
    for (const document of parseAllDocuments(readFileSync(join(folder, file), "utf8"), { uniqueKeys: true })) {
        for (const error of document.errors) mistakes.push(`${file}: ${error.message}`);
        const value = document.toJS();
        if (value) objects.push({ file, value, name: `${file}: ${value.kind} ${value.metadata?.name}` });
    }

const moduleOf = ({ apiVersion, kind }) => `kubernetes-models/${apiVersion}/${kind}`;

async function checkValues() {
    for (const { value, name } of objects) {
        try {
            const model = (await import(moduleOf(value)))[value.kind];
            new model(value).validate();
        } catch (error) {
            mistakes.push(`${name}: ${error.message}`);
        }
    }
}

// Each object becomes a literal of its type, one file each, so that a mistake can be told by its file.
function checkMembers() {
    const room = mkdtempSync(join(tmpdir(), "baton-kubernetes-"));
    try {
        symlinkSync(join(here, "node_modules"), join(room, "node_modules"));
        writeFileSync(join(room, "package.json"), '{"type":"module"}');
        const files = objects.map(({ value }, i) => {
            const path = join(room, `object${i}.ts`);
            writeFileSync(path, `import type { I${value.kind} } from "${moduleOf(value)}";\n` +
                `export const it: I${value.kind} = ${JSON.stringify(value, null, 1)};\n`);
            return path;
        });
        const program = ts.createProgram(files, { noEmit: true, strict: true, skipLibCheck: true, types: [],
            module: ts.ModuleKind.Node16, moduleResolution: ts.ModuleResolutionKind.Node16, target: ts.ScriptTarget.ES2022 });
        for (const path of files)
            for (const found of ts.getPreEmitDiagnostics(program, program.getSourceFile(path)))
                mistakes.push(`${objects[files.indexOf(path)].name}: ${ts.flattenDiagnosticMessageText(found.messageText, " ")}`);
    } finally {
        rmSync(room, { recursive: true });
    }
}

const ofKind = (...kinds) => objects.filter(({ value }) => kinds.includes(value.kind));
const has = (labels, wanted) => Object.entries(wanted).every(([key, value]) => labels?.[key] === value);
const workloads = ofKind("StatefulSet", "Deployment");
const pods = workloads.map(({ value, name }) => ({ name, labels: value.spec.template.metadata.labels, spec: value.spec.template.spec }));

function checkReferences() {
    const keys = new Map(ofKind("Secret", "ConfigMap").map(({ value }) =>
        [`${value.kind} ${value.metadata.name}`, Object.keys(value.stringData ?? value.data ?? {})]));
    const known = (name, what) => {
        if (!keys.has(what)) mistakes.push(`${name}: there is no ${what}`);
        return keys.has(what);
    };
    for (const { name, spec } of pods) {
        const mounted = [];
        for (const volume of spec.volumes ?? []) {
            const sources = volume.projected?.sources ?? [volume];
            for (const source of sources) {
                const from = source.secret ? `Secret ${source.secret.secretName ?? source.secret.name}`
                    : source.configMap ? `ConfigMap ${source.configMap.name}` : null;
                if (from && known(name, from)) mounted.push(...keys.get(from));
            }
        }
        for (const container of spec.containers) {
            for (const { configMapRef, secretRef } of container.envFrom ?? [])
                known(name, configMapRef ? `ConfigMap ${configMapRef.name}` : `Secret ${secretRef.name}`);
            // Every variable that names a file of a secret names one that is mounted.
            for (const { name: variable, value } of container.env ?? [])
                if (variable.endsWith("_FILE") && !mounted.includes(value?.replace("/run/secrets/", "")))
                    mistakes.push(`${name}: ${variable} names ${value}, which no secret has`);
            const volumes = [...(spec.volumes ?? []).map((volume) => volume.name), "journal"];
            for (const mount of container.volumeMounts ?? [])
                if (!volumes.includes(mount.name)) mistakes.push(`${name}: no volume ${mount.name}`);
        }
    }
    for (const { value, name } of workloads)
        if (!has(value.spec.template.metadata.labels, value.spec.selector.matchLabels)) mistakes.push(`${name}: selects no pod of its own`);
    for (const { value, name } of ofKind("Service")) {
        const selected = pods.filter((pod) => has(pod.labels, value.spec.selector));
        if (selected.length === 0) mistakes.push(`${name}: selects nothing`);
        const ports = selected.flatMap((pod) => pod.spec.containers.flatMap((container) => container.ports ?? []));
        for (const { targetPort } of value.spec.ports)
            if (!ports.some((port) => port.name === targetPort)) mistakes.push(`${name}: no port ${targetPort}`);
    }
    for (const { value, name } of ofKind("PodDisruptionBudget"))
        if (!pods.some((pod) => has(pod.labels, value.spec.selector.matchLabels))) mistakes.push(`${name}: selects nothing`);
    for (const { value, name } of ofKind("NetworkPolicy")) {
        const peers = [...(value.spec.ingress ?? []).flatMap((rule) => rule.from ?? []), ...(value.spec.egress ?? []).flatMap((rule) => rule.to ?? [])];
        for (const selector of [value.spec.podSelector, ...peers.map((peer) => peer.podSelector).filter(Boolean)])
            if (!pods.some((pod) => has(pod.labels, selector.matchLabels ?? {}))) mistakes.push(`${name}: selects nothing`);
    }
}

function checkRestricted() {
    for (const { name, spec } of pods) {
        const wanted = (is, what) => is || mistakes.push(`${name}: ${what}`);
        wanted(spec.securityContext?.runAsNonRoot === true, "may run as root");
        wanted(spec.securityContext?.seccompProfile?.type === "RuntimeDefault", "has no seccomp profile");
        wanted(spec.automountServiceAccountToken === false, "gets a token of the cluster");
        wanted(spec.enableServiceLinks === false, "gets a variable for each service, which Baton warns about");
        for (const container of spec.containers) {
            const context = container.securityContext ?? {};
            wanted(context.allowPrivilegeEscalation === false, "may gain privileges");
            wanted(context.readOnlyRootFilesystem === true, "may write into its image");
            wanted((context.capabilities?.drop ?? []).includes("ALL"), "keeps capabilities");
            wanted(container.resources?.limits?.memory && container.resources?.requests?.cpu, "has no limits");
            wanted(container.livenessProbe && container.readinessProbe, "has no probes");
        }
    }
}

await checkValues();
checkMembers();
checkReferences();
checkRestricted();
for (const mistake of mistakes) console.log(mistake);
console.log(`${objects.length} objects, ${mistakes.length} mistakes`);
process.exit(mistakes.length === 0 && objects.length > 0 ? 0 : 1);
