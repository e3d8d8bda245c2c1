// check.mjs OPTIONS.json NAME=RENDERED.yaml ...
//
// Judges what `kubectl kustomize` rendered: by the published types (unknown fields, missing ones, wrong types; by
// the TypeScript compiler), by the schemas' formats and patterns, and by what has to fit together: selectors and
// labels, names of ports, configuration and secrets, names of options, the restricted profile of pod security.
import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { parseAllDocuments } from "yaml";

const here = path.dirname(fileURLToPath(import.meta.url));
const require = createRequire(import.meta.url);
const options = JSON.parse(readFileSync(process.argv[2], "utf8"));
const renders = process.argv.slice(3).map((a) => a.split("="));

// Secrets that whoever installs it makes, and their keys; a certificate's are the ingress controller's to read.
const OUTSIDE_SECRETS = { "bc4-redis": ["url", "password", "auth"], "bc4-tls": [] };
// Variables that are no option of a service: the dashboard's, redis-cli's.
const OTHER_ENV = { frontend: ["API_INTERNAL_URL", "NEXT_PUBLIC_API_URL"], redis: ["REDISCLI_AUTH"] };

const bad = [];
let where = "";
const fail = (what) => bad.push(`${where}: ${what}`);
const title = (d) => `${d.kind}/${d.metadata?.name}`;

// ---- types and schemas -----------------------------------------------------------------------------------------

function typeOf(doc) {
  if (doc.apiVersion === "monitoring.coreos.com/v1") return [`./crd`, `I${doc.kind}`];
  const [group, version] = doc.apiVersion.includes("/") ? doc.apiVersion.split("/") : ["", doc.apiVersion];
  return [["kubernetes-models", group, version, doc.kind].filter(Boolean).join("/"), `I${doc.kind}`];
}

function checkTypes(docs) {
  const dir = mkdtempSync(path.join(here, "types-"));
  try {
    const lines = docs.map((d, i) => {
      const [module, type] = typeOf(d);
      const from = module === "./crd" ? "../crd" : module;
      return `import type { ${type} as T${i} } from "${from}"; const d${i}: T${i} = ${JSON.stringify(d)}; void d${i};`;
    });
    writeFileSync(path.join(dir, "docs.ts"), lines.join("\n") + "\n");
    const args = ["--noEmit", "--strict", "--skipLibCheck", "--module", "node16", "--moduleResolution", "node16"];
    try {
      execFileSync(process.execPath, [require.resolve("typescript/bin/tsc"), ...args, path.join(dir, "docs.ts")], {
        cwd: here,
        stdio: "pipe",
      });
    } catch (e) {
      for (const line of String(e.stdout).split("\n")) {
        const m = /docs\.ts\((\d+),\d+\): error \w+: (.*)/.exec(line);
        if (m) fail(`${title(docs[m[1] - 1])}: ${m[2]}`);
        else if (line.trim() && !line.startsWith(" ")) fail(line);
      }
    }
  } finally {
    rmSync(dir, { recursive: true });
  }
}

function checkSchema(doc) {
  const [module] = typeOf(doc);
  if (module === "./crd") return;
  try {
    const Model = require(module)[doc.kind];
    new Model(doc).validate();
  } catch (e) {
    fail(`${title(doc)}: ${e.message}`);
  }
}

// ---- what has to fit together ----------------------------------------------------------------------------------

const podOf = (d) => d.spec?.jobTemplate?.spec.template ?? d.spec?.template ?? null;
const matches = (selector, labels) => Object.entries(selector ?? {}).every(([k, v]) => labels?.[k] === v);
const portsOf = (template) => template.spec.containers.flatMap((c) => c.ports ?? []);
const hasPort = (template, port) =>
  portsOf(template).some((p) => (typeof port === "number" ? p.containerPort === port : p.name === port));

function checkContainer(docs, d, c) {
  const name = `${title(d)} ${c.name}`;
  const s = c.securityContext ?? {};
  if (s.allowPrivilegeEscalation !== false || s.readOnlyRootFilesystem !== true || s.capabilities?.drop?.[0] !== "ALL")
    fail(`${name}: not of the restricted profile`);
  if (!c.resources?.requests?.cpu || !c.resources?.requests?.memory || !c.resources?.limits?.memory)
    fail(`${name}: no resource requests or no memory limit`);
  if (!c.image.includes(":") || c.image.endsWith(":latest")) fail(`${name}: ${c.image} names no version`);
  for (const probe of d.kind.endsWith("Job") ? [] : ["startupProbe", "livenessProbe", "readinessProbe"]) {
    const p = c[probe];
    const port = p?.httpGet?.port ?? p?.tcpSocket?.port;
    if (!p) fail(`${name}: no ${probe}`);
    else if (port !== undefined && !(c.ports ?? []).some((x) => x.name === port || x.containerPort === port))
      fail(`${name}: ${probe} asks port ${port}, which is none of its own`);
  }
  const known = options[c.name] ?? [];
  const fits = (n) => known.includes(n) || (OTHER_ENV[c.name] ?? []).includes(n);
  for (const e of c.env ?? []) {
    if (!fits(e.name)) fail(`${name}: no program reads ${e.name}`);
    const ref = e.valueFrom?.configMapKeyRef ?? e.valueFrom?.secretKeyRef;
    if (ref) checkKey(docs, name, e.valueFrom.configMapKeyRef ? "ConfigMap" : "Secret", ref.name, ref.key);
  }
  for (const f of c.envFrom ?? []) {
    const map = docs.find((x) => x.kind === "ConfigMap" && x.metadata.name === f.configMapRef?.name);
    if (!map) fail(`${name}: ConfigMap ${f.configMapRef?.name} is not there`);
    for (const key of Object.keys(map?.data ?? {}))
      if (!Object.values(options).some((names) => names.includes(key))) fail(`${title(map)}: no program reads ${key}`);
  }
  const volumes = [...(podOf(d).spec.volumes ?? []), ...(d.spec.volumeClaimTemplates ?? []).map((v) => v.metadata)];
  for (const m of c.volumeMounts ?? [])
    if (!volumes.some((v) => v.name === m.name)) fail(`${name}: mounts ${m.name}, which is no volume`);
}

function checkKey(docs, name, kind, ref, key) {
  const found = docs.find((x) => x.kind === kind && x.metadata.name === ref);
  const keys = found ? Object.keys({ ...found.data, ...found.stringData }) : kind === "Secret" ? OUTSIDE_SECRETS[ref] : null;
  if (!keys) fail(`${name}: ${kind} ${ref} is not there`);
  else if (!keys.includes(key)) fail(`${name}: ${kind} ${ref} has no key ${key}`);
}

function checkWorkload(docs, d) {
  const t = podOf(d);
  if (d.spec.selector && !matches(d.spec.selector.matchLabels, t.metadata.labels)) fail(`${title(d)}: its selector misses its pods`);
  const pod = t.spec;
  if (pod.automountServiceAccountToken !== false || pod.enableServiceLinks !== false)
    fail(`${title(d)}: a token or the variables of services get into its pods`);
  const s = pod.securityContext ?? {};
  if (s.runAsNonRoot !== true || s.seccompProfile?.type !== "RuntimeDefault" || !(s.runAsUser > 0))
    fail(`${title(d)}: not of the restricted profile`);
  for (const c of pod.containers) checkContainer(docs, d, c);
  for (const v of pod.volumes ?? []) {
    const [kind, ref] = v.secret ? ["Secret", v.secret.secretName] : v.configMap ? ["ConfigMap", v.configMap.name] : [];
    if (kind === "ConfigMap" && !docs.some((x) => x.kind === kind && x.metadata.name === ref)) fail(`${title(d)}: no ${kind} ${ref}`);
    const claim = /^(\w+)-([\w-]+)-(\d+)$/.exec(v.persistentVolumeClaim?.claimName ?? "");
    if (v.persistentVolumeClaim && !docs.some((x) => x.kind === "StatefulSet" && x.metadata.name === claim?.[2] &&
      x.spec.volumeClaimTemplates?.some((c) => c.metadata.name === claim[1]))) fail(`${title(d)}: no claim ${v.persistentVolumeClaim.claimName}`);
    for (const item of v.secret?.items ?? []) checkKey(docs, title(d), kind, ref, item.key);
  }
  if (d.kind === "StatefulSet" && !docs.some((x) => x.kind === "Service" && x.metadata.name === d.spec.serviceName))
    fail(`${title(d)}: no Service ${d.spec.serviceName}`);
  for (const c of pod.topologySpreadConstraints ?? [])
    if (!matches(c.labelSelector.matchLabels, t.metadata.labels)) fail(`${title(d)}: spreads pods of others`);
}

function checkRest(docs, d) {
  const pods = docs.map(podOf).filter(Boolean);
  const chosen = (selector) => pods.filter((t) => matches(selector, t.metadata.labels));
  if (d.kind === "Service") {
    const own = chosen(d.spec.selector);
    if (!own.length) fail(`${title(d)}: selects no pod`);
    for (const p of d.spec.ports)
      if (!own.every((t) => hasPort(t, p.targetPort ?? p.port))) fail(`${title(d)}: its pods have no port ${p.targetPort}`);
  } else if (d.kind === "PodDisruptionBudget") {
    if (!chosen(d.spec.selector.matchLabels).length) fail(`${title(d)}: selects no pod`);
  } else if (d.kind === "HorizontalPodAutoscaler") {
    const r = d.spec.scaleTargetRef;
    const target = docs.find((x) => x.kind === r.kind && x.metadata.name === r.name);
    if (!target) fail(`${title(d)}: no ${r.kind} ${r.name}`);
    else if (target.spec.replicas !== undefined) fail(`${title(target)}: replicas would undo what ${title(d)} decides`);
  } else if (d.kind === "NetworkPolicy") {
    checkPolicy(d, chosen);
  } else if (d.kind === "Ingress") {
    const hosts = d.spec.tls.flatMap((t) => t.hosts);
    for (const rule of d.spec.rules) {
      if (!hosts.includes(rule.host)) fail(`${title(d)}: ${rule.host} without TLS`);
      for (const { backend } of rule.http.paths) {
        const s = docs.find((x) => x.kind === "Service" && x.metadata.name === backend.service.name);
        if (!s?.spec.ports.some((p) => p.name === backend.service.port.name)) fail(`${title(d)}: no ${JSON.stringify(backend.service)}`);
      }
    }
  } else if (d.kind === "ServiceMonitor") {
    const services = docs.filter((x) => x.kind === "Service" && matches(d.spec.selector.matchLabels, x.metadata.labels));
    if (services.length < 5) fail(`${title(d)}: selects ${services.length} services`);
    for (const e of d.spec.endpoints)
      for (const s of services)
        if (!s.spec.ports.some((p) => p.name === e.port)) fail(`${title(d)}: ${title(s)} has no port ${e.port}`);
  }
}

function checkPolicy(d, chosen) {
  const own = chosen(d.spec.podSelector.matchLabels);
  if (!own.length) fail(`${title(d)}: selects no pod`);
  for (const rule of d.spec.ingress ?? [])
    for (const p of rule.ports ?? [])
      if (!own.every((t) => hasPort(t, p.port))) fail(`${title(d)}: its pods have no port ${p.port}`);
  for (const rule of [...(d.spec.ingress ?? []).map((r) => r.from), ...(d.spec.egress ?? []).map((r) => r.to)])
    for (const peer of rule ?? [])
      if (peer.podSelector && !chosen(peer.podSelector.matchLabels).length) fail(`${title(d)}: a peer selects no pod`);
  for (const rule of d.spec.egress ?? [])
    for (const peer of rule.to ?? [])
      for (const p of peer.podSelector ? rule.ports : [])
        if (!chosen(peer.podSelector.matchLabels).every((t) => hasPort(t, p.port))) fail(`${title(d)}: a peer has no port ${p.port}`);
}

// ---- self-test: one rendered overlay, spoiled in many ways; each has to be noticed ------------------------------

const SPOILED = [
  ["terminationGracePeriodSeconds: 20", "terminationGraceSeconds: 20", "terminationGraceSeconds"],
  ["targetPort: health", "targetPort: helth", "no port helth"],
  ["  SYMBOLS:", "  SYMBOLZ:", "no program reads SYMBOLZ"],
  ["port: health\n", "port: 9999\n", "asks port 9999"],
  ["runAsNonRoot: true", "runAsNonRoot: false", "not of the restricted profile"],
  ["minReplicas: 2", "minReplicas: two", "must be integer"],
  ["serviceName: strategy", "serviceName: elsewhere", "no Service elsewhere"],
  ["secretName: bc4-redis", "secretName: other", "Secret other is not there"],
  ["claimName: history-backfill-0", "claimName: history-backfil-0", "no claim history-backfil-0"],
  ["minAvailable: 1\n  selector:\n    matchLabels:\n      app.kubernetes.io/component: api", "minAvailable: 1\n  selector:\n    matchLabels:\n      app.kubernetes.io/component: apo", "PodDisruptionBudget/api: selects no pod"],
];

function selfTest(file) {
  let text = readFileSync(file, "utf8");
  for (const [from, to] of SPOILED) {
    if (!text.includes(from)) bad.push(`self-test: nothing to spoil: ${from}`);
    text = text.replace(from, to);
  }
  const dir = mkdtempSync(path.join(here, "self-"));
  writeFileSync(path.join(dir, "x.yaml"), text);
  const run = spawnSync(process.execPath, [fileURLToPath(import.meta.url), process.argv[2], `x=${dir}/x.yaml`], { encoding: "utf8" });
  for (const [from, , said] of SPOILED) if (!run.stderr.includes(said)) bad.push(`self-test: passes though "${from}" was spoiled`);
  rmSync(dir, { recursive: true });
}

// ---- run -------------------------------------------------------------------------------------------------------

for (const [name, file] of renders) {
  where = name;
  const docs = parseAllDocuments(readFileSync(file, "utf8")).map((d) => d.toJS()).filter(Boolean);
  const seen = new Set();
  for (const d of docs) {
    const id = `${title(d)} ${d.metadata.namespace ?? ""}`;
    if (seen.has(id)) fail(`${id} twice`);
    seen.add(id);
    checkSchema(d);
    if (podOf(d)) checkWorkload(docs, d);
    else checkRest(docs, d);
  }
  checkTypes(docs);
  if (!docs.some((d) => d.kind === "NetworkPolicy" && Object.keys(d.spec.podSelector).length === 0)) fail("no default deny");
  console.log(`  ${name}: ${docs.length} resources`);
}
const production = renders.find(([name]) => name === "production");
if (production) selfTest(production[1]);
for (const line of bad) console.error(line);
process.exit(bad.length ? 1 : 0);
