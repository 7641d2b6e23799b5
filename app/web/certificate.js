// What is said of a result beside its map: the certificate, the receipts and where to take it from.
import { $, element, shortTime } from "./dom.js";

const FEW = 30;                      // as in the notes of a certificate
const METHODS = { ensemble: "this ensemble", optimal_interpolation: "optimal interpolation",
  nearest_station: "nearest station", climatology: "climatology" };
const MEANINGS = [
  ["RMSE", "Root-mean-square error: the typical distance of the mean from the withheld observations. Smaller is better."],
  ["CRPS", "Continuous ranked probability score: the error of the whole distribution, not only of its mean. Smaller is better."],
  ["inside 50 %, inside 90 %", "The share of withheld observations that lie within the interval said to hold 50 % or 90 % of them. Honest is 50 % and 90 %; less is over-confident."],
  ["spread / skill", "The error the ensemble expects of itself, divided by the error it makes. Honest is 1; below 1 is over-confident."],
  ["rank histogram", "Where the observations fall among members that are independent, one of each pair, from below all to above all. Honest is flat; a U is over-confident, a dome over-cautious, a slope biased."],
  ["optimal interpolation", "The classical analysis with the same climate statistics and the same observations."],
  ["nearest station", "Each withheld station is given the report of its nearest used neighbour."],
  ["climatology", "The usual weather of the season, without any observation."],
];

export function showCertificate(certificate, longName) {
  $("certificate").hidden = false;
  $("certificate-about").textContent = certificate.withheld_stations
    ? `${certificate.members} members, checked against ${certificate.withheld} observations of ${certificate.withheld_stations} stations that were kept back; ${certificate.assimilated} were used, counting reports that share a grid cell and an hour as one.`
    : `${certificate.members} members. Nothing can be said about their errors:`;
  $("notes").replaceChildren(...(certificate.notes ?? []).map((note) => element("li", {}, note)));
  $("tables").replaceChildren(...Object.entries(certificate.channels).filter(([, part]) => Object.keys(part.scores).length).flatMap(([name, part]) => channelTable(name, part, longName(name))));
  $("meanings").replaceChildren(...MEANINGS.flatMap(([word, meaning]) => [element("dt", {}, word), element("dd", {}, meaning)]));
}

function channelTable(name, part, title) {
  const number = (value) => value == null ? "-" : value.toFixed(2);
  const percent = (value) => value == null ? "-" : `${Math.round(100 * value)} %`;
  const least = (key) => Math.min(...Object.values(part.scores).map((score) => score[key] ?? Infinity));
  const body = Object.entries(part.scores).map(([method, score]) => element("tr", { class: method === "ensemble" ? "ours" : null },
    element("th", { scope: "row" }, METHODS[method] ?? method),
    ...["rmse", "crps"].map((key) => element("td", { class: score[key] === least(key) ? "best" : null }, number(score[key]))),
    ...["coverage50", "coverage90"].map((key) => element("td", {}, percent(score[key]))),
    element("td", {}, number(score.spread_skill))));
  const heads = ["", `RMSE (${part.unit})`, `CRPS (${part.unit})`, "inside 50 %", "inside 90 %", "spread / skill"];
  const table = element("table", {},
    element("caption", {}, title === name ? `${name} ` : `${title} (${name}) `, element("span", { class: "quiet" }, `${part.n} observations, ${part.stations} stations`)),
    element("thead", {}, element("tr", {}, ...heads.map((head) => element("th", { scope: "col" }, head)))),
    element("tbody", {}, ...body));
  return [element("div", { class: "scroll" }, table), ...histogram(name, part.rank_histogram, part.n)];
}

function histogram(name, ranks, n) {
  if (!ranks) return [];
  const top = Math.max(...ranks.counts, 1);
  const bars = ranks.counts.map((count) => {
    const bar = element("i");
    bar.style.height = `${100 * count / top}%`;
    return bar;
  });
  return [element("div", { class: "flat" },
    element("div", { class: "histogram", role: "img", "aria-label": `Rank histogram of ${name}: ${ranks.counts.join(", ")}` }, ...bars),
    element("span", { class: "quiet" }, "Rank histogram: where the observations fall among independent members. " +
      (n < FEW ? `With only ${n} its shape says nothing.` : "Flat is honest.")))];
}

export function showReceipts(page) {
  const counts = new Map();
  for (const { qc, use, count } of page.counts) {
    const word = qc === 0 && use === "withheld" ? "withheld to verify" : page.flags[qc] ?? `flag ${qc}`;
    counts.set(word, (counts.get(word) ?? 0) + count);
  }
  if (!counts.size) return;
  $("receipts").hidden = false;
  $("receipt-table").replaceChildren(element("tbody", {}, ...[...counts].sort((a, b) => b[1] - a[1])
    .map(([word, count]) => element("tr", {}, element("td", {}, String(count)), element("td", {}, word)))));
}

export function showHovmoller(base, pictures) {
  $("hovmoller").hidden = !pictures.length;
  $("hovmoller-pictures").replaceChildren(...pictures.map(({ name, time, end, scale }) => {
    const what = `${scale.title}, ${shortTime(time)} to ${shortTime(end)} UTC, ${scale.vmin} to ${scale.vmax}`;
    return element("figure", {}, element("figcaption", {}, what), element("img", { src: `${base}/maps/${name}`, alt: what }));
  }));
}

export function showDownloads(id, maps) {
  const base = `${location.origin}/ensembles/${id}`;
  $("downloads").hidden = false;
  $("snippet").textContent = `import xarray\nensemble = xarray.open_zarr("${base}/ensemble.zarr")`;
  const link = (href, name, text) => element("li", {}, element("a", { href }, name), ` ${text}`);
  $("links").replaceChildren(
    link(`${base}/receipts.parquet`, "receipts.parquet", "what became of every observation, and why"),
    link(`${base}/certificate.json`, "certificate.json", "the scores above, with their definitions"),
    ...(maps.length ? [element("li", {}, "maps as PNG:", ...maps.flatMap((map) =>
      [" ", element("a", { href: `${base}/maps/${map.name}` }, `${map.channel} ${map.quantity} ${shortTime(map.time)}`), ","]).slice(0, -1))] : []),
    element("li", {}, element("code", {}, `serein fetch ${id}`), " everything, with checksums verified"));
}
