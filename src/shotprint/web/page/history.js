// The append-only history of a case: who did what, when, before and after.

import { call, casePath } from "./api.js";
import { link } from "./case.js";
import { when } from "./cases.js";
import { h, scrolling } from "./dom.js";

const HEADS = ["No.", "When", "Who", "Recording", "What", "Before", "After"];

export async function showHistory(host, caseId) {
  const [entry, lines] = await Promise.all([call(casePath(caseId)), call(`${casePath(caseId)}/history`)]);
  const names = new Map(entry.recordings.map((recording) => [recording.id, recording.name]));
  const rows = h("tbody");
  const fill = (text) => {
    const wanted = lines.map((line) => [line.seq, when(line.when), line.who, names.get(line.recording) ?? line.recording ?? "", line.action, tell(line.before), tell(line.after)])
      .filter((cells) => cells.join(" ").toLowerCase().includes(text.toLowerCase()));
    rows.replaceChildren(...wanted.map((cells) => h("tr", {}, cells.map((cell) => h("td", {}, String(cell))))));
  };
  const filter = h("input", { type: "search", oninput: (event) => fill(event.target.value) });
  fill("");
  host.append(
    h("nav", { class: "crumbs", "aria-label": "Where you are" }, h("a", { href: "#/cases" }, "Cases"), " / ", h("a", { href: link(caseId) }, entry.name), " / "),
    h("h1", {}, "History"),
    h("p", { class: "quiet" }, "Lines are only ever added. To undo something is a line of its own."),
    h("p", {}, h("label", {}, "Only lines with ", filter)),
    scrolling(h("table", { class: "list" }, h("thead", {}, h("tr", {}, HEADS.map((text) => h("th", { scope: "col" }, text)))), rows), "History"));
  return { keys: [{ key: "/", what: "filter the lines", run: () => filter.focus() }] };
}

function tell(value) {
  if (value === null || value === undefined) return "";
  if (typeof value !== "object") return String(value);
  return Object.entries(value).filter(([, v]) => v !== null && typeof v !== "object").map(([key, v]) => `${key} ${typeof v === "number" ? Number(v.toFixed(4)) : key === "sha256" ? v.slice(0, 12) : v}`).join(", ");
}
