// One case: drop recordings, watch them being recognised, open them, export everything.

import { call, casePath, fetchFile, follow, isOver, upload } from "./api.js";
import { when } from "./cases.js";
import { button, h, notify, scrolling } from "./dom.js";
import { clock, percent } from "./format.js";

const MOST_STREAMS = 2; // a browser holds six connections to one service: never let progress take them all
const EXPORTS = [
  ["report.html", "Report (one HTML file)"],
  ["report.pdf", "Report (PDF)"],
  ["report.zip", "Report with data, hashes and any signature (ZIP)"],
  ["shots.csv", "Shots (CSV)"],
  ["manifest.csv", "Shots as corrected (CSV)"],
  ["training.zip", "To train on: clips and manifest (ZIP)"],
  ["labels.audacity.zip", "Label tracks for Audacity"],
  ["labels.raven.zip", "Label tracks for Raven Pro"],
  ["labels.textgrid.zip", "Label tracks for Praat"],
  ["results.json", "Results (JSON)"],
];

export async function showCase(host, caseId) {
  const entry = await call(casePath(caseId));
  const view = new CaseView(host, entry);
  view.draw();
  return {
    close: () => view.close(),
    keys: [
      { key: "o", what: "choose recordings", run: () => view.files.click() },
      { key: "e", what: "open the export menu", run: () => openMenu(host) },
      { key: "h", what: "history of the case", run: () => (location.hash = `${link(caseId)}/history`) },
    ],
  };
}

export const link = (caseId) => `#/case/${encodeURIComponent(caseId)}`;
export const recordingLink = (caseId, id) => `${link(caseId)}/recording/${encodeURIComponent(id)}`;

export function openMenu(host) {
  const menu = host.querySelector("details.menu");
  menu.open = true;
  menu.querySelector("a").focus();
}

export const exportMenu = (caseId) => h("details", { class: "menu" },
  h("summary", {}, "Export"),
  h("ul", {}, EXPORTS.map(([file, text]) => h("li", {}, h("a", { href: `${casePath(caseId)}/export/${file}`, onclick: save }, text)))));

/** Fetch what a link leads to and keep it as a file: a refusal is shown, and never saved as one. */
async function save(event) {
  event.preventDefault();
  const address = event.currentTarget.href;
  event.currentTarget.closest("details").open = false;
  try {
    const content = URL.createObjectURL(await fetchFile(address));
    h("a", { href: content, download: address.split("/").at(-1) }).click();
    setTimeout(() => URL.revokeObjectURL(content), 60_000);
  } catch (error) {
    notify(error.message, "error");
  }
}

class CaseView {
  constructor(host, entry) {
    this.host = host;
    this.entry = entry;
    this.stops = new Map();
    this.rows = h("tbody");
    this.waiting = h("ul", { class: "uploads", "aria-label": "Files on their way" });
    this.files = this.chooser({ multiple: true });
    this.folder = this.chooser({ webkitdirectory: true });
  }

  chooser(attributes) {
    const take = (event) => {
      this.send([...event.target.files].map((file) => [file, file.webkitRelativePath || file.name]));
      event.target.value = "";
    };
    return h("input", { type: "file", hidden: true, onchange: take, ...attributes });
  }

  draw() {
    const { id, name } = this.entry;
    const heads = ["Recording", "State", "Length", "Shots", "Format", "SHA-256"];
    this.host.append(
      h("nav", { class: "crumbs", "aria-label": "Where you are" }, h("a", { href: "#/cases" }, "Cases"), " / "),
      h("div", { class: "titled" }, h("h1", {}, name), h("span", { class: "grow" }),
        h("a", { class: "button", href: `${link(id)}/history` }, "History"), exportMenu(id)),
      h("p", { class: "quiet" }, `Created ${when(this.entry.created)}`),
      this.dropZone(), this.waiting,
      scrolling(h("table", { class: "list" }, h("thead", {}, h("tr", {}, heads.map((text) => h("th", { scope: "col" }, text)))), this.rows), "Recordings of the case"));
    this.fillRows();
  }

  dropZone() {
    const drop = async (event) => {
      event.preventDefault();
      zone.classList.remove("over");
      this.send(await listDropped(event.dataTransfer));
    };
    const zone = h("div", { class: "drop", role: "group", "aria-label": "Add recordings", ondrop: drop,
      ondragover: (event) => { event.preventDefault(); zone.classList.add("over"); },
      ondragleave: () => zone.classList.remove("over") },
    h("span", {}, "Drop recordings or a folder here, or "), button("Choose recordings", () => this.files.click(), { class: "primary" }), " ",
    button("Choose a folder", () => this.folder.click()), this.files, this.folder);
    return zone;
  }

  fillRows() {
    this.rows.replaceChildren(...this.entry.recordings.map((recording) => this.row(recording)));
    if (!this.entry.recordings.length) this.rows.append(h("tr", {}, h("td", { colspan: 6, class: "empty" }, "No recording yet.")));
    this.watch();
  }

  /** Follow the jobs that run, or the next ones. */
  watch() {
    const open = this.entry.recordings.map((recording) => recording.job).filter((job) => !isOver(job));
    open.sort((a, b) => (a.state === "running" ? 0 : 1) - (b.state === "running" ? 0 : 1));
    const wanted = new Set(open.slice(0, MOST_STREAMS).map((job) => job.id));
    for (const [id, stop] of this.stops) {
      if (wanted.has(id)) continue;
      stop();
      this.stops.delete(id);
    }
    for (const id of wanted) if (!this.stops.has(id)) this.stops.set(id, follow(id, (changed) => this.take(changed)));
  }

  row(recording) {
    const { job } = recording;
    const name = isOver(job) && job?.state !== "done" ? recording.name
      : h("a", { href: recordingLink(this.entry.id, recording.id) }, recording.name);
    const format = recording.sample_rate_hz ? `${recording.sample_rate_hz} Hz, ${recording.channels} ch` : "–";
    return h("tr", { "data-job": job?.id }, h("td", {}, name), h("td", {}, showJob(job, () => this.cancel(job))),
      h("td", {}, clock(recording.duration_s, 1)), h("td", {}, recording.n_shots ?? "–"), h("td", { class: "number" }, format),
      h("td", {}, h("code", { title: recording.sha256 }, (recording.sha256 ?? "").slice(0, 12))));
  }

  async take(job) {
    const known = this.entry.recordings.find((recording) => recording.job?.id === job.id);
    if (!known) return;
    known.job = job;
    if (isOver(job)) await this.reread();
    else this.rows.querySelector(`[data-job="${CSS.escape(job.id)}"]`)?.replaceWith(this.row(known));
  }

  async reread() {
    if (this.closed) return;
    try {
      this.entry = await call(casePath(this.entry.id));
      this.fillRows();
    } catch (error) {
      notify(error.message, "error");
    }
  }

  async cancel(job) {
    try {
      await call(`/api/jobs/${encodeURIComponent(job.id)}`, "DELETE");
      await this.reread();
    } catch (error) {
      notify(error.message, "error");
    }
  }

  async send(files) {
    const lines = files.map(([file, name]) => {
      const state = h("span", {}, "waits");
      const line = h("li", {}, h("span", { class: "name" }, name), " ", state);
      this.waiting.append(line);
      return { file, name, state, line };
    });
    for (const { file, name, state, line } of lines) {
      try {
        await upload(this.entry.id, file, name, (share) => (state.textContent = share === null ? "waits: the queue is full" : `${Math.round(100 * share)} % sent`));
        line.remove();
      } catch (error) {
        line.classList.add("error");
        state.textContent = error.message;
        line.append(" ", button("Close", () => line.remove()));
      }
      await this.reread();
    }
  }

  close() {
    this.closed = true;
    for (const stop of this.stops.values()) stop();
  }
}

function showJob(job, cancel) {
  if (!job || job.state === "done") return "✓ done";
  if (job.state === "failed") return h("span", { class: "error" }, `✗ ${job.error ?? "failed"}`);
  if (job.state === "cancelled") return "cancelled";
  const text = job.state === "queued" ? "waits" : percent(job.progress);
  return h("span", { class: "job" }, h("progress", { max: 1, value: job.progress ?? 0, "aria-label": "Recognised" }), ` ${text} `, button("Cancel", cancel));
}

/** Return [file, relative name] of what was dropped, folders read to their ends. */
async function listDropped(transfer) {
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
  if (!entries.length) return [...transfer.files].map((file) => [file, file.name]);
  const found = [];
  for (const entry of entries) await walk(entry, found);
  return found.sort(([, a], [, b]) => a.localeCompare(b, undefined, { numeric: true }));
}

async function walk(entry, found) {
  if (entry.name.startsWith(".")) return;
  if (entry.isFile) {
    const file = await new Promise((resolve, reject) => entry.file(resolve, reject));
    found.push([file, entry.fullPath.slice(1)]);
    return;
  }
  const reader = entry.createReader();
  for (;;) {
    const batch = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
    if (!batch.length) return;
    for (const child of batch) await walk(child, found);
  }
}
