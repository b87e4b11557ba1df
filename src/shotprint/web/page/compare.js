// Two shots over each other: waveforms, spectra, and the LR that one model of gun fired both.

import { call, casePath, query } from "./api.js";
import { link, recordingLink } from "./case.js";
import { ratios } from "./detail.js";
import { h, svg } from "./dom.js";

const MOST_MS = 120; // from the lead-in on: what follows is the place, more than the gun
const HEIGHT = 240;
const LEFT = 44;
const RIGHT = 20;
const BOTTOM = 28;

export async function showCompare(host, caseId, a, b) {
  const [entry, found] = await Promise.all([call(casePath(caseId)), call(`${casePath(caseId)}/compare${query({ a, b })}`)]);
  const names = [a, b].map((mark) => describe(entry, mark));
  const legend = h("p", { class: "legend" }, names.map((name, i) => h("span", { class: `series s${i}` }, svg("svg", { width: 34, height: 10, "aria-hidden": "true" }, svg("path", { d: "M0 5H34" })),
    ` ${"AB"[i]}: `, h("a", { href: recordingLink(caseId, name.recording) }, name.text))));
  host.append(
    h("nav", { class: "crumbs", "aria-label": "Where you are" }, h("a", { href: "#/cases" }, "Cases"), " / ", h("a", { href: link(caseId) }, entry.name), " / "),
    h("h1", {}, "Two shots"), legend,
    h("section", { class: "panel" }, h("h2", {}, "One model of gun, or two?"),
      found.same_gun ? [ratios({ ...found.same_gun, value: found.same_gun.h1 ?? "one model fired both" }),
        h("p", { class: "quiet" }, "Two guns of one model cannot be told from one gun by this.")] : h("p", {}, found.why_not ?? "The model holds no likelihood ratio for this.")),
    h("section", { class: "panel" }, h("h2", {}, "Waveforms"),
      h("p", { class: "quiet" }, `Shifted by ${(1000 * (found.lag_s ?? 0)).toFixed(1)} ms to where they agree best; each scaled to its own peak; the first ${MOST_MS} ms.`), waveforms(found)),
    h("section", { class: "panel" }, h("h2", {}, "Spectra"), spectra(found)));
  return {};
}

function describe(entry, mark) {
  const [recording, shot] = mark.split(/:(?=[^:]*$)/);
  const known = entry.recordings.find((other) => other.id === recording);
  return { recording, text: `${known?.name ?? recording}, shot ${/^m\d+$/.test(shot) ? Number(shot.slice(1)) + 1 : shot}` };
}

/** As wide as a narrow screen, so that letters keep their size there. */
const chartWidth = () => Math.min(900, Math.max(280, innerWidth - 50));

/** Draw curves [[x, y], …] over each other; dashes tell them apart as well as colours. */
function chart(curves, { x, y, name }) {
  const width = chartWidth();
  const place = ([low, high], from, to) => (value) => from + ((value - low) / (high - low || 1)) * (to - from);
  const right = place([x.from, x.to], LEFT, width - RIGHT);
  const up = place([y.from, y.to], HEIGHT - BOTTOM, 8);
  const line = (points) => points.map(([px, py], i) => `${i ? "L" : "M"}${right(px).toFixed(1)} ${up(Math.max(y.from, Math.min(y.to, py))).toFixed(1)}`).join("");
  const ticks = (axis) => axis.ticks.filter((value) => value >= axis.from && value <= axis.to);
  return svg("svg", { class: "chart", viewBox: `0 0 ${width} ${HEIGHT}`, role: "img", "aria-label": name },
    ticks(x).map((value) => [svg("path", { class: "grid", d: `M${right(value)} 8V${HEIGHT - BOTTOM}` }), svg("text", { x: right(value), y: HEIGHT - 12, "text-anchor": "middle" }, x.show(value))]),
    ticks(y).map((value) => [svg("path", { class: "grid", d: `M${LEFT} ${up(value)}H${width - RIGHT}` }), svg("text", { x: LEFT - 6, y: up(value) + 4, "text-anchor": "end" }, String(value))]),
    svg("text", { x: width - RIGHT, y: HEIGHT - 1, "text-anchor": "end" }, x.title), svg("text", { x: LEFT + 4, y: 20 }, y.title),
    curves.map((points, i) => svg("path", { class: `curve s${i}`, d: line(points) })));
}

function waveforms({ a, b, lag_s: lag }) {
  const curve = ({ waveform, sample_rate_hz: rate }, shift) => {
    const peak = Math.max(1e-9, ...waveform.map(Math.abs));
    return waveform.map((value, i) => [1000 * (i / rate + shift), value / peak]).filter(([ms]) => ms >= 0 && ms <= MOST_MS);
  };
  const curves = [curve(a, 0), curve(b, lag ?? 0)];
  const to = Math.max(...curves.map((points) => points.at(-1)?.[0] ?? 1));
  const step = [1, 2, 5, 10, 20, 50, 100, 200, 500].find((s) => to / s <= Math.min(12, chartWidth() / 50)) ?? 1000;
  return chart(curves, { name: "Waveforms of both shots", x: { from: 0, to, ticks: range(0, to, step), show: String, title: "ms" }, y: { from: -1, to: 1, ticks: [-1, 0, 1], title: "" } });
}

function spectra({ a, b }) {
  const curves = [a, b].map((side) => side.frequency_hz.map((hz, i) => [Math.log10(Math.max(hz, 1)), side.spectrum_db[i]]).filter(([hz]) => hz >= Math.log10(30)));
  const levels = curves.flat().map(([, db]) => db);
  const top = 10 * Math.ceil(Math.max(...levels) / 10);
  const bottom = Math.max(10 * Math.floor(Math.min(...levels) / 10), top - 80);
  const to = Math.max(...curves.flat().map(([hz]) => hz));
  const ticks = [50, 100, 200, 500, 1000, 2000, 5000, 10000, 20000].map(Math.log10);
  return chart(curves, { name: "Spectra of both shots", x: { from: Math.log10(30), to, ticks, show: (value) => (value >= 3 ? `${Math.round(10 ** value / 1000)}k` : String(Math.round(10 ** value))), title: "Hz" },
    y: { from: bottom, to: top, ticks: range(bottom, top, 20), title: "dB" } });
}

const range = (from, to, step) => Array.from({ length: Math.floor((to - from) / step) + 1 }, (_, i) => from + i * step);
