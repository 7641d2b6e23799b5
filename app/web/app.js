// The page: a list of analyses, and the one chosen by the address (#<job id>), live while it runs.
import { showCertificate, showDownloads, showHovmoller, showReceipts } from "./certificate.js";
import { $, day, element, fetchJson, shortTime } from "./dom.js";
import { DIFFERENCE, WeatherMap, roundLimit } from "./map.js";

const FINISHED = ["successful", "failed", "dismissed"];
const WORDS = { accepted: "waiting", running: "running", successful: "finished", failed: "failed", dismissed: "stopped" };
const accepted = new Map();          // observations by batch
let stream = null;                   // the EventSource of the analysis shown
let shown = null;                    // its id
let result = null;                   // {maps, extent, observations, coast}: what the map draws from

// ---- the list -------------------------------------------------------------------------------------------------

async function refreshList() {
  try {
    const { jobs } = await fetchJson("/jobs?limit=50");
    if (jobs.some((job) => job.request.observations?.batches?.some((id) => !accepted.has(id)))) {
      const { batches } = await fetchJson("/observation-batches?limit=1000");
      for (const batch of batches) accepted.set(batch.id, batch.counts.accepted);
    }
    $("jobs").replaceChildren(...jobs.map(listEntry));
    $("jobs-note").textContent = jobs.length ? "" : "No analysis yet.";
  } catch (error) {
    $("jobs-note").textContent = `The service does not answer: ${error.message}`;
  }
  clearTimeout(refreshList.timer);
  refreshList.timer = setTimeout(refreshList, document.hidden ? 60000 : 2500);
}

function listEntry(job) {
  const running = !FINISHED.includes(job.status);
  const { prior, window: span, observations } = job.request;
  const sent = observations?.batches?.map((id) => accepted.get(id) ?? 0).reduce((sum, n) => sum + n, 0);
  return element("li", {}, element("a", { href: `#${job.jobID}`, "aria-current": job.jobID === shown },
    element("span", { class: "row" }, element("span", { class: "name" }, job.jobID.slice(0, 8)),
      element("span", { class: `badge ${job.status}` }, WORDS[job.status])),
    element("span", { class: "quiet" }, [prior, span && [...new Set([span.start, span.end])].map(shortTime).join(" to "),
      sent !== undefined ? `${sent} observations sent` : observations?.query && "observations by query"].filter(Boolean).join(", ")),
    ...(running ? [element("progress", { max: 100, value: job.progress ?? 0, "aria-label": "Progress" })] : [])));
}

// ---- one analysis ---------------------------------------------------------------------------------------------

async function choose() {
  stream?.close();
  stream = result = null;
  shown = decodeURIComponent(location.hash.slice(1)) || null;
  for (const id of ["progress", "problem", "map-panel", "hovmoller", "certificate", "receipts", "downloads", "dismiss"]) $(id).hidden = true;
  $("analysis").hidden = !shown;
  $("welcome").hidden = Boolean(shown);
  refreshList();
  if (!shown) return;
  const id = shown;
  $("title").textContent = `Analysis ${id.slice(0, 8)}`;
  $("status").textContent = $("about").textContent = "";
  try {
    const job = await fetchJson(`/jobs/${id}`);
    if (id === shown) showJob(job);
  } catch (error) {
    if (id === shown) showProblem({ title: "This analysis cannot be shown", detail: error.message });
  }
}

function showJob(job) {
  const inputs = job.request;
  $("title").textContent = `Analysis ${job.jobID.slice(0, 8)}`;
  $("status").textContent = WORDS[job.status];
  $("status").className = `badge ${job.status}`;
  $("about").textContent = [
    inputs.prior && `prior ${inputs.prior}`,
    inputs.window && `${day(inputs.window.start)} to ${day(inputs.window.end)} UTC`,
    inputs.members && `${inputs.members} members`,
    inputs.preset,
    inputs.following && `beside ${inputs.following} that follow`,
    inputs.withheld !== undefined && `${Math.round(100 * inputs.withheld)} % of stations withheld`,
  ].filter(Boolean).join(" · ");
  $("dismiss").hidden = FINISHED.includes(job.status);
  if (job.status === "successful") return showResult(job.jobID);
  if (FINISHED.includes(job.status)) {
    return showProblem(job.problem ?? { title: WORDS[job.status], detail: job.message });
  }
  $("progress").hidden = false;
  showProgress({ progress: job.progress, stage: job.message });
  follow(job.jobID);
}

function showProblem(problem) {
  $("problem").hidden = false;
  $("problem").replaceChildren(element("strong", {}, problem.title ?? "It did not work"), element("p", {}, problem.detail ?? ""));
}

function follow(id) {
  stream = new EventSource(`/jobs/${id}/events`);
  stream.addEventListener("progress", (event) => showProgress(JSON.parse(event.data)));
  stream.addEventListener("step", (event) => {
    const data = JSON.parse(event.data);
    showProgress({ progress: data.progress, stage: data.state === "running" ? data.step?.split("-")[0] : undefined });
  });
  stream.addEventListener("status", (event) => {
    const { status, message } = JSON.parse(event.data);
    $("status").textContent = WORDS[status] ?? status;
    $("status").className = `badge ${status}`;
    showProgress({ stage: message });
    if (FINISHED.includes(status)) choose();
  });
}

function showProgress(data) {
  if (data.progress !== undefined && data.progress !== null) {
    $("bar").value = data.progress;
    $("percent").textContent = `${Math.round(data.progress)} %`;
  }
  if (data.stage) $("stage").textContent = data.stage;
  if (data.levels) $("level").textContent = `${data.level} of ${data.levels}` + (data.sigma != null ? ` (σ ${Number(data.sigma).toPrecision(3)})` : "");
  if (data.chi2 != null) $("chi2").textContent = data.chi2.toFixed(2);
  if (data.eta_seconds === null) $("eta").textContent = "-";
  else if (data.eta_seconds !== undefined) $("eta").textContent = data.eta_seconds < 90 ? `${Math.round(data.eta_seconds)} s` : `${Math.round(data.eta_seconds / 60)} min`;
}

async function showResult(id) {
  const base = `/ensembles/${id}`;
  const parts = await Promise.allSettled([fetchJson(`${base}/maps/index.json`), fetchJson(`${base}/observations.json`), fetchJson(`${base}/certificate.json`)]);
  if (id !== shown) return;
  const [maps, observations, certificate] = parts.map((part) => part.value);
  const rings = maps?.hovmoller ?? [];
  showDownloads(id, [...maps?.maps ?? [], ...rings]);
  showHovmoller(base, rings);
  const failed = parts.find((part) => part.status === "rejected");
  if (failed) showProblem({ title: "Some of the result cannot be shown", detail: failed.reason.message });
  if (maps?.maps.length) result = { ...maps, observations: rows(observations), flags: observations?.flags ?? {}, coast: [] };
  if (certificate) showCertificate(certificate, longName);
  if (observations) showReceipts(observations);
  if (!result) return;
  $("map-panel").hidden = false;
  buildControls();
  drawMap();
  const { west, south, east, north } = maps.extent;
  const coast = await fetchJson(`/coastlines.json?bbox=${[west, south, east, north]}`).catch(() => ({ lines: [] }));
  if (id !== shown || !result) return;
  result.coast = coast.lines;
  drawMap();
}

const rows = (page) => page ? page.columns.station_id.map((_, i) =>
  Object.fromEntries(Object.entries(page.columns).map(([name, column]) => [name, column[i]]))) : [];

// ---- the map --------------------------------------------------------------------------------------------------

const map = new WeatherMap($("map"), $("tip"), describe);
const images = new Map();

function buildControls() {
  const unique = (key) => [...new Set(result.maps.map((entry) => entry[key]))];
  choices("channel", unique("channel").map((name) => [name, longName(name)]));
  choices("time", unique("time").sort().map((time) => [time, shortTime(time)]));
  choices("quantity", [["mean", "mean"], ["spread", "spread"]]);
  choices("layer", [["all", "all"], ["used", "used"], ["withheld", "withheld"], ["none", "none"]]);
}

const longName = (channel) => result?.maps.find((entry) => entry.channel === channel)?.scale.long_name ?? channel;

function choices(name, options) {
  const before = chosen(name);
  const kept = options.some(([value]) => value === before) ? before : options[0]?.[0];
  $(name).replaceChildren(...options.map(([value, label]) => element("label", {},
    element("input", { type: "radio", name, value, checked: value === kept }), element("span", {}, label))));
}

const chosen = (name) => $("controls").querySelector(`input[name="${name}"]:checked`)?.value;

async function drawMap() {
  const [channel, time, quantity] = ["channel", "time", "quantity"].map(chosen);
  const entry = result.maps.find((m) => m.channel === channel && m.time === time && m.quantity === quantity);
  if (!entry) return;
  const { scale } = entry;
  const at = Date.parse(time);
  const nearest = result.maps.map((m) => Date.parse(m.time));
  const here = result.observations.filter((o) => o.channel === channel &&
    Math.abs(Date.parse(o.time) - at) === Math.min(...nearest.map((t) => Math.abs(Date.parse(o.time) - t))));
  const marks = here.map((o) => ({ ...o, scale, difference: o.o_minus_a === null ? null : o.o_minus_a * scale.factor,
    withheld: o.use === "withheld" && o.qc <= 1, rejected: o.qc > 1 }));
  const layers = { all: () => true, used: (o) => !o.withheld && !o.rejected, withheld: (o) => o.withheld, none: () => false };
  const limit = roundLimit(marks.filter((o) => !o.rejected).map((o) => o.difference));
  showLegends(scale, limit, marks);
  const image = await picture(`/ensembles/${shown}/maps/${entry.name}`);
  if (!result || chosen("channel") !== channel || chosen("time") !== time || chosen("quantity") !== quantity) return;
  map.show({ image, extent: result.extent, coast: result.coast, observations: marks.filter(layers[chosen("layer")]), limit,
    label: `${scale.title}, ${day(time)} UTC, ${scale.vmin} to ${scale.vmax} ${scale.units}, with ${marks.length} observations` });
}

function picture(href) {
  if (!images.has(href)) {
    const image = new Image();
    image.src = href;
    images.set(href, image.decode().then(() => image, () => null));
  }
  return images.get(href);
}

function showLegends(scale, limit, marks) {
  const unit = scale.units === "°C" ? "K" : scale.units;
  $("field-title").textContent = `${scale.title} (${scale.units})`;
  $("field-ramp").style.background = `linear-gradient(to right, ${scale.colors})`;
  ticks("field-ticks", scale.vmin, scale.vmax, scale.step);
  $("diff-title").textContent = `Observation minus analysis, O−A (${unit})`;
  $("diff-ramp").style.background = `linear-gradient(to right, ${DIFFERENCE})`;
  ticks("diff-ticks", -limit, limit, limit / 2, true);
  const count = (test) => marks.filter(test).length;
  const key = (shape, text) => {
    const item = element("li");
    item.innerHTML = `<svg viewBox="0 0 18 18" aria-hidden="true">${shape}</svg>`;
    item.append(text);
    return item;
  };
  $("keys").replaceChildren(
    key('<circle cx="9" cy="9" r="5" fill="#f7f7f7" stroke="#111a20"/>', `used (${count((o) => !o.withheld && !o.rejected)})`),
    key('<path d="M9 2l7 7-7 7-7-7z" fill="#f7f7f7" stroke="#111a20" stroke-width="2.5"/>', `withheld to verify (${count((o) => o.withheld)})`),
    key('<path d="M5 5l8 8M13 5l-8 8" stroke="#8b8b8b" stroke-width="2"/>', `not used (${count((o) => o.rejected)})`));
}

// Numbers at their places below a colour ramp that goes from `low` to `high`.
function ticks(id, low, high, step, signed = false) {
  while ((high - low) / step > 4) step *= 2;
  const digits = Math.max(0, Math.min(3, -Math.floor(Math.log10(step) + 1e-9)));
  const values = [];
  for (let k = Math.ceil(low / step - 1e-6); k * step <= high + step * 1e-6; k += 1) values.push(k * step);
  $(id).replaceChildren(...values.map((value) => {
    const mark = element("span", {}, `${signed && value > 0 ? "+" : ""}${value.toFixed(digits)}`.replace("-", "−"));
    const part = (value - low) / (high - low);
    mark.style.left = `${100 * part}%`;
    mark.style.transform = `translateX(-${part < 0.04 ? 0 : part > 0.96 ? 100 : 50}%)`;
    return mark;
  }));
}

function describe(o) {
  const { factor, offset, units } = o.scale;
  const fixed = (value, shift = 0) => value === null ? "unknown" : (value * factor + shift).toFixed(units === "gpm" ? 0 : 1);
  const unit = units === "°C" ? "K" : units;
  const absolute = o.scale.quantity === "spread" && unit === "K" ? -273.15 : offset;
  const value = `${fixed(o.value, absolute)} ${unit === "K" ? "°C" : unit}`;
  const flag = result.flags[o.qc] ?? `flag ${o.qc}`;
  return {
    title: `${o.station_id || "unnamed"}${o.kind ? `, ${o.kind}` : ""}`,
    lines: [
      `${value}${o.error !== null ? ` ± ${fixed(o.error)}` : ""}, ${day(o.time)} UTC`,
      ...(o.difference === null ? [] : [`Observation minus analysis ${o.difference > 0 ? "+" : ""}${fixed(o.o_minus_a)} ${unit}`.replace("-", "−") +
        (o.spread !== null ? `, spread there ${fixed(o.spread)}` : "")]),
      o.withheld ? "withheld: the ensemble has not seen it" : `${flag}${o.rejected ? ` (flag ${o.qc})` : ""}`,
      ...(o.reason ? [o.reason] : []),
    ],
  };
}

// ---- start ----------------------------------------------------------------------------------------------------

$("controls").addEventListener("change", drawMap);
$("controls").addEventListener("submit", (event) => event.preventDefault());
$("closer").addEventListener("click", () => map.magnify(1.5));
$("farther").addEventListener("click", () => map.magnify(1 / 1.5));
$("copy").addEventListener("click", async () => {
  await navigator.clipboard.writeText($("snippet").textContent);
  $("copy").textContent = "Copied";
  setTimeout(() => { $("copy").textContent = "Copy"; }, 1500);
});
$("dismiss").addEventListener("click", async () => {
  if (!confirm("Stop this analysis? What it has computed so far is discarded.")) return;
  await fetch(`/jobs/${shown}`, { method: "DELETE" });
  $("stage").textContent = "stopping";
  refreshList();
});
window.addEventListener("hashchange", choose);
document.addEventListener("visibilitychange", () => { if (!document.hidden) refreshList(); });
choose();
