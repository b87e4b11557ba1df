// One shot: what the machine says, how sure it is, what a person changed, and the form to change it.

import { button, h, scrolling } from "./dom.js";
import { clock, decide, percent, signed, stateOf, STATES } from "./format.js";

const MOST_BARS = 4;

/** `on` holds play, label, move, remove, restore and mark, each for this shot. */
export function showDetail(shot, number, { machine, labels, on }) {
  const heard = machineShot(shot, machine);
  return [
    h("div", { class: "titled" }, h("h2", {}, `Shot ${number}`), h("span", { class: `tag ${stateOf(shot)}` }, STATES[stateOf(shot)]), h("span", { class: "grow" }),
      button("Hear it", on.play, { class: "primary", "data-do": "play" }), button("Compare", on.mark)),
    h("p", { class: "decision" }, h("strong", {}, "The machine states: "), shot.origin === "added" ? "nothing, a person added this shot" : decide(shot.decision ?? heard?.decision)),
    sideBySide(shot),
    editForm(shot, labels, on),
    bars("Model", shot.candidates ?? heard?.candidates),
    bars("Calibre", heard?.calibre),
    bars("Category", heard?.category),
    ratios(shot.llr),
    facts(heard),
  ];
}

/** Return the entry of shotprint/1 for a shot of the machine: `m3` is its fourth. */
export function machineShot(shot, machine) {
  return /^m\d+$/.test(shot.id) ? (machine?.shots ?? [])[Number(shot.id.slice(1))] : undefined;
}

function sideBySide(shot) {
  const heard = shot.machine;
  const row = (name, key, show) => {
    const differs = heard && show(shot[key]) !== show(heard[key]);
    return h("tr", { class: differs ? "differs" : null }, h("th", { scope: "row" }, name), h("td", {}, show(shot[key]), differs ? " ✎" : ""), h("td", {}, heard ? show(heard[key]) : "–"));
  };
  const text = (value) => value ?? "–";
  return h("table", { class: "side", "aria-label": "Present answer beside the machine's" },
    h("thead", {}, h("tr", {}, ["", "Now", "Machine"].map((name) => h("th", { scope: "col" }, name)))),
    h("tbody", {}, row("Gun", "label", text), row("Onset", "onset_s", clock), row("End", "end_s", clock)));
}

function editForm(shot, labels, on) {
  if (shot.deleted) return h("p", {}, "This shot is deleted; the machine's answer is kept. ", button("Restore it", on.restore, { "data-do": "restore" }));
  const label = h("input", { list: "labels", name: "label", value: shot.label ?? "", maxlength: 200, autocomplete: "off" });
  const onset = h("input", { type: "number", step: 0.001, min: 0, name: "onset_s", value: shot.onset_s.toFixed(3) });
  const end = h("input", { type: "number", step: 0.001, min: 0, name: "end_s", value: shot.end_s.toFixed(3) });
  return h("div", { class: "edit" },
    h("form", { onsubmit: (event) => { event.preventDefault(); on.label(label.value.trim()); } },
      h("label", {}, "Gun ", label), h("datalist", { id: "labels" }, labels.map((name) => h("option", { value: name }))), h("button", {}, "Correct the gun")),
    h("form", { onsubmit: (event) => { event.preventDefault(); on.move(Number(onset.value), Number(end.value)); } },
      h("label", {}, "Onset, s ", onset), h("label", {}, "End, s ", end), h("button", {}, "Move"),
      button("Delete", on.remove, { "data-do": "delete" })));
}

function bars(title, candidates) {
  if (!candidates?.length) return null;
  const line = ({ label, probability }) => h("tr", {}, h("th", { scope: "row" }, label),
    h("td", {}, h("span", { class: "bar", style: { width: `${Math.max(0.5, 100 * probability)}%` } })), h("td", { class: "number" }, percent(probability)));
  const rest = candidates.slice(MOST_BARS);
  return h("section", { class: "bars" }, h("h3", {}, title), h("table", { "aria-label": title }, h("tbody", {}, candidates.slice(0, MOST_BARS).map(line))),
    rest.length ? h("details", {}, h("summary", {}, `${rest.length} more`), h("table", {}, h("tbody", {}, rest.map(line)))) : null);
}

/** Return ratios as a table: log10 LR, interval, words; nothing where the model holds none. */
export function ratios(llr, name = "H1") {
  const lines = [llr ?? []].flat();
  if (!lines.length) return h("p", { class: "quiet" }, "No likelihood ratio: the model holds none, or a person added the shot.");
  const row = (ratio) => h("tr", {}, h("th", { scope: "row" }, ratio.value ?? name), h("td", { class: "number" }, signed(ratio.llr)),
    h("td", { class: "number" }, `${signed(ratio.low)} to ${signed(ratio.high)}`), h("td", {}, ratio.words ?? "", ratio.is_bounded ? " (cut off at what the validation supports)" : ""));
  return h("section", {}, h("h3", {}, "Likelihood ratio, log10"),
    scrolling(h("table", { class: "list ratios" }, h("thead", {}, h("tr", {}, ["H1", "LR", "Interval", "In words"].map((text) => h("th", { scope: "col" }, text)))), h("tbody", {}, lines.slice(0, 8).map(row))), "Likelihood ratios"));
}

function facts(heard) {
  if (!heard) return null;
  const rows = [["Detected with", percent(heard.detection_probability)], ["Gunshot, not another sound", percent(heard.gunshot_probability)],
    ["Peak", `${heard.peak_dbfs} dBFS${heard.clipped ? ", ⚠ clipped" : ""}`], ["Since the shot before", heard.gap_s === null ? "–" : `${heard.gap_s} s`],
    ["Gun of this recording", heard.gun ? `${heard.gun.label}, ${percent(heard.gun.probability)}` : "–"]];
  return h("dl", { class: "facts" }, rows.map(([name, value]) => [h("dt", {}, name), h("dd", {}, value)]));
}
