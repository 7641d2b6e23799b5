// The interface, read from the service's own description: every operation, its parameters, bodies and answers.
import { $, element, fetchJson } from "./dom.js";

const api = await fetchJson("/openapi.json");
const code = (text) => element("code", {}, text);

// What a $ref stands for, all the way down; a type within itself stays a name.
function resolved(node, within = []) {
  if (Array.isArray(node)) return node.map((part) => resolved(part, within));
  if (node === null || typeof node !== "object") return node;
  const name = node.$ref?.split("/").pop();
  if (name) return within.includes(name) ? name : resolved(api.components.schemas[name], [...within, name]);
  return Object.fromEntries(Object.entries(node).map(([key, value]) => [key, resolved(value, within)]));
}

function kind(schema = {}) {
  const choices = schema.enum ?? (schema.const !== undefined ? [schema.const] : null);
  return choices ? choices.join(" | ") : (schema.anyOf ?? [schema]).map((s) => s.type ?? "").filter((t) => t && t !== "null").join(" | ");
}

const table = (heads, rows) => element("div", { class: "scroll" }, element("table", {},
  element("thead", {}, element("tr", {}, ...heads.map((head) => element("th", { scope: "col" }, head)))),
  element("tbody", {}, ...rows.map((row) => element("tr", {}, ...row.map((cell) => element("td", {}, cell)))))));

function operation(method, path, what) {
  const parts = [element("p", {}, what.description ?? "")];
  if (what.parameters?.length) {
    parts.push(table(["parameter", "in", "type", ""], what.parameters.map((p) =>
      [code(p.name + (p.required ? " *" : "")), p.in, kind(resolved(p.schema)), p.description ?? p.schema?.description ?? ""])));
  }
  for (const [media, { schema }] of Object.entries(what.requestBody?.content ?? {})) {
    parts.push(element("p", {}, "Body: ", code(media)));
    if (media === "application/json" && schema?.$ref) parts.push(element("pre", {}, code(JSON.stringify(resolved(schema), null, 1))));
  }
  parts.push(table(["answer", "", "media types"], Object.entries(what.responses).map(([status, answer]) =>
    [status, answer.description, Object.keys(answer.content ?? {}).join(", ")])));
  const first = (what.description ?? "").split("\n")[0];
  return element("details", { class: "panel operation" }, element("summary", {}, code(`${method.toUpperCase()} ${path}`), ` ${first}`), ...parts);
}

const byTag = new Map();
for (const [path, methods] of Object.entries(api.paths)) {
  for (const [method, what] of Object.entries(methods)) {
    const tag = what.tags?.[0] ?? "other";
    byTag.set(tag, [...(byTag.get(tag) ?? []), operation(method, path, what)]);
  }
}
$("about").textContent = `The interface of version ${api.info.version}.`;
$("operations").replaceChildren(...[...byTag].map(([tag, operations]) => element("section", {}, element("h2", {}, tag), ...operations)));
