// One recording: its window, its shots as a list, the chosen shot, and corrections with undo.

import { call, casePath, follow, isOver, query, recordingPath, who } from "./api.js";
import { exportMenu, link, openMenu } from "./case.js";
import { showDetail, machineShot } from "./detail.js";
import { button, h, notify, refill, scrolling } from "./dom.js";
import { clock, decide, MARKS, percent, plural, shortly, stateOf, STATES } from "./format.js";
import { Wave } from "./wave.js";

const PAGE = 100;
const NUDGE_S = 0.01;
const FINE_S = 0.001;
const COLUMNS = [["number", "No."], ["onset_s", "Onset"], ["label", "Gun"], ["probability", "Probability"], ["decision", "Stated"], ["state", "Origin"]];
const kept = new Map(); // recording -> what was chosen, so that a re-read changes nothing on the screen

export async function showRecording(host, caseId, recordingId) {
  const path = recordingPath(caseId, recordingId);
  const [entry, answer] = await Promise.all([call(casePath(caseId)), call(path)]);
  const view = new RecordingView(host, entry, answer, path);
  view.draw();
  return { keys: view.keys(), opened: () => view.opened(), close: () => view.close() };
}

class RecordingView {
  constructor(host, entry, answer, path) {
    Object.assign(this, { host, entry, path, machine: answer.machine, recording: answer.recording ?? answer });
    this.caseId = entry.id;
    this.choice = kept.get(path) ?? { selected: null, filter: "", state: "", sort: "onset_s", down: false, page: 0, window: null };
    kept.set(path, this.choice);
    this.rows = h("tbody", { tabindex: -1 });
    this.detail = h("section", { class: "panel detail", tabindex: -1, "aria-label": "Chosen shot" });
    this.pages = h("p", { class: "pages" });
    this.count = h("p", { class: "quiet", role: "status" });
    this.undoButton = button("Undo", () => this.step("undo"));
    this.redoButton = button("Redo", () => this.step("redo"));
    this.player = h("audio", { preload: "none", src: `${path}/audio` });
    this.excerpt = h("audio", { preload: "auto", "data-excerpt": true });
    this.take(answer);
  }

  take(answer) {
    this.shots = answer.shots;
    this.undoButton.disabled = answer.can_undo === false;
    this.redoButton.disabled = answer.can_redo === false;
    this.numbers = new Map([...this.shots].sort((a, b) => a.onset_s - b.onset_s).map((shot, i) => [shot.id, i + 1]));
    this.shots.sort((a, b) => a.onset_s - b.onset_s);
    if (!this.shots.some((shot) => shot.id === this.choice.selected)) this.choice.selected = this.shots.find((shot) => !shot.deleted)?.id ?? null;
  }

  get shot() {
    return this.shots.find((shot) => shot.id === this.choice.selected);
  }

  draw() {
    const { recording, host } = this;
    const others = this.entry.recordings;
    const jump = h("select", { "aria-label": "Recording", onchange: (event) => (location.hash = `${link(this.caseId)}/recording/${encodeURIComponent(event.target.value)}`) },
      others.map((other) => h("option", { value: other.id, selected: other.id === recording.id }, other.name)));
    host.append(
      h("nav", { class: "crumbs", "aria-label": "Where you are" }, h("a", { href: "#/cases" }, "Cases"), " / ", h("a", { href: link(this.caseId) }, this.entry.name), " / ", others.length > 1 ? jump : null),
      h("div", { class: "titled" }, h("h1", {}, recording.name), h("span", { class: "grow" }), this.undoButton, this.redoButton,
        h("a", { class: "button", href: `${link(this.caseId)}/history` }, "History"), exportMenu(this.caseId)));
    if (!this.machine) {
      this.drawWaiting();
      return;
    }
    this.wave = new Wave(this.path, recording, {
      move: (id, onset, end) => this.move(id, onset, end),
      select: (id) => { this.select(id); this.play(); },
      seek: (time) => this.seek(time) });
    if (this.choice.window) [this.wave.start, this.wave.end] = this.choice.window;
    host.append(this.summary(), this.tools(), this.wave.element, this.player, this.excerpt,
      h("div", { class: "columns" }, this.list(), this.detail));
    this.player.addEventListener("timeupdate", () => this.wave?.setPlayhead(this.player.currentTime));
    this.fill();
  }

  drawWaiting() {
    const { job } = this.recording;
    const state = h("p", { role: "status" });
    const tell = (now) => (state.textContent = !now ? "There is no answer yet." : now.error ?? `${now.state}, ${percent(now.progress)}`);
    tell(job);
    this.host.append(h("div", { class: "panel" }, state));
    if (!isOver(job)) this.stop = follow(job.id, (now) => { tell(now); if (isOver(now)) dispatchEvent(new HashChangeEvent("hashchange")); });
  }

  async opened() {
    try {
      await this.wave?.open();
      this.wave?.setShots(this.shots, this.choice.selected);
    } catch (error) {
      notify(error.message, "error");
    }
  }

  summary() {
    const { recording, machine } = this;
    const guns = machine.guns?.n_probabilities;
    const unusual = Object.entries(machine.resemblance ?? {}).filter(([, value]) => !value.is_usual).map(([name]) => name.replaceAll("_", " "));
    const warnings = [...(machine.warnings ?? []), ...(unusual.length && !machine.warnings?.length ? [`unlike the recordings of the validation: ${unusual.join(", ")}`] : [])];
    return h("section", { class: "summary", "aria-label": "The recording" },
      h("p", {}, h("strong", {}, "The recording as a whole: "), machine.error ?? decide(machine.decision)),
      h("p", { class: "quiet" }, `${clock(recording.duration_s, 1)} · ${recording.sample_rate_hz} Hz · ${recording.channels} ch · ${plural(this.shots.length, "shot")}`,
        guns ? ` · one model of gun fired ${percent(guns[0])}, two models ${percent(guns[1])}` : "", " · SHA-256 ", h("code", { title: recording.sha256 }, (recording.sha256 ?? "").slice(0, 12))),
      warnings.map((line) => h("p", { class: "warning" }, "⚠ ", line)));
  }

  tools() {
    return h("div", { class: "tools", role: "toolbar", "aria-label": "Waveform" },
      button("▶ Play / pause", () => this.toggle()), button("Zoom in", () => this.wave.zoom(0.5)), button("Zoom out", () => this.wave.zoom(2)),
      button("◀", () => this.wave.pan(-0.5), { "aria-label": "Earlier" }), button("▶", () => this.wave.pan(0.5), { "aria-label": "Later" }),
      button("Whole", () => this.wave.show(0, this.recording.duration_s)), button("The shot", () => this.reveal(true)),
      button("Add a shot here", () => this.add()));
  }

  list() {
    const { choice } = this;
    this.filter = h("input", { type: "search", value: choice.filter, oninput: (event) => { choice.filter = event.target.value; choice.page = 0; this.fillRows(); } });
    const state = h("select", { onchange: (event) => { choice.state = event.target.value; choice.page = 0; this.fillRows(); } },
      h("option", { value: "" }, "all"), Object.entries(STATES).map(([key, text]) => h("option", { value: key, selected: choice.state === key }, text)));
    this.heads = h("tr", {}, COLUMNS.map(([key, text]) => h("th", { scope: "col", "data-key": key }, button(text, () => this.sort(key)))));
    return h("section", { class: "panel shots", "aria-label": "Shots" },
      h("div", { class: "filters" }, h("label", {}, "Filter ", this.filter), h("label", {}, "Origin ", state), this.count),
      scrolling(h("table", { class: "list" }, h("thead", {}, this.heads), this.rows), "Shots of the recording"), this.pages);
  }

  sort(key) {
    this.choice.down = this.choice.sort === key && !this.choice.down;
    this.choice.sort = key;
    this.fillRows();
  }

  wanted() {
    const { filter, state, sort, down } = this.choice;
    const key = { number: (s) => s.onset_s, decision: (s) => shortly(s.decision), state: stateOf }[sort] ?? ((s) => s[sort] ?? "");
    const text = (shot) => `${shot.label ?? ""} ${shortly(shot.decision)} ${STATES[stateOf(shot)]} ${this.heard(shot)?.calibre?.[0]?.label ?? ""} ${this.heard(shot)?.category?.[0]?.label ?? ""}`.toLowerCase();
    const found = this.shots.filter((shot) => (!state || stateOf(shot) === state) && text(shot).includes(filter.toLowerCase()));
    found.sort((a, b) => (key(a) < key(b) ? -1 : key(a) > key(b) ? 1 : 0) * (down ? -1 : 1));
    return found;
  }

  heard(shot) {
    return machineShot(shot, this.machine);
  }

  fill() {
    this.fillRows();
    this.fillDetail();
    this.wave?.setShots(this.shots, this.choice.selected);
  }

  fillRows() {
    const found = this.wanted();
    const first = this.choice.page * PAGE;
    refill(this.rows, found.slice(first, first + PAGE).map((shot) => this.row(shot)));
    this.count.textContent = found.length === this.shots.length ? plural(found.length, "shot") : `${found.length} of ${plural(this.shots.length, "shot")}`;
    for (const head of this.heads.children) {
      const mine = head.dataset.key === this.choice.sort;
      head.setAttribute("aria-sort", !mine ? "none" : this.choice.down ? "descending" : "ascending");
    }
    const turn = (by) => { this.choice.page += by; this.fillRows(); };
    this.pages.replaceChildren(...(found.length <= PAGE ? [] : [button("Earlier shots", () => turn(-1), { disabled: !first }), ` ${first + 1} to ${Math.min(found.length, first + PAGE)} `, button("Later shots", () => turn(1), { disabled: first + PAGE >= found.length })]));
  }

  row(shot) {
    const state = stateOf(shot);
    const chosen = shot.id === this.choice.selected;
    const changed = shot.machine && shot.machine.label !== shot.label;
    const choose = button(String(this.numbers.get(shot.id)), () => { this.select(shot.id); this.play(); }, { "aria-label": `Shot ${this.numbers.get(shot.id)}: choose and hear it`, "data-do": `choose ${shot.id}` });
    return h("tr", { "data-shot": shot.id, class: state, "aria-current": chosen ? "true" : null, onclick: (event) => { if (event.target.closest("button")) return; this.select(shot.id); this.play(); } },
      h("td", {}, choose), h("td", { class: "number" }, clock(shot.onset_s)),
      h("td", {}, shot.label ?? "–", changed ? h("span", { class: "was" }, ` machine: ${shot.machine.label ?? "–"}`) : null),
      h("td", { class: "number" }, percent(shot.probability)), h("td", {}, shortly(shot.decision)), h("td", {}, `${MARKS[state]} ${STATES[state]}`.trim()));
  }

  fillDetail() {
    const { shot } = this;
    if (!shot) {
      this.detail.replaceChildren(h("p", { class: "empty" }, "No shot was found. A click into the waveform, then “Add a shot here”, adds one."));
      return;
    }
    const labels = (this.machine.candidates ?? []).map((entry) => entry.label).sort();
    const on = { play: () => this.play(), mark: () => this.mark(), label: (text) => this.correct({ action: "label", shot: shot.id, label: text }),
      move: (onset, end) => this.move(shot.id, onset, end), remove: () => this.remove(), restore: () => this.restore() };
    refill(this.detail, showDetail(shot, this.numbers.get(shot.id), { machine: this.machine, labels, on }).filter(Boolean));
  }

  select(id) {
    this.choice.selected = id;
    const at = this.wanted().findIndex((shot) => shot.id === id);
    if (at >= 0) this.choice.page = Math.floor(at / PAGE);
    this.fill();
    this.reveal(false);
    this.rows.querySelector('[aria-current="true"]')?.scrollIntoView({ block: "nearest" });
  }

  go(by) {
    const found = this.wanted();
    const at = found.findIndex((shot) => shot.id === this.choice.selected);
    const next = found[Math.max(0, Math.min(found.length - 1, at + by))];
    if (next) this.select(next.id);
  }

  /** Bring the chosen shot into the window; `close` also zooms in on it. */
  reveal(close) {
    const { shot, wave } = this;
    if (!shot || !wave) return;
    if (close) wave.show(shot.onset_s - 0.2, Math.max(shot.end_s, shot.onset_s + 0.3) + 0.2);
    else if (shot.onset_s < wave.start || shot.onset_s > wave.end) wave.show(shot.onset_s - (wave.end - wave.start) / 2, shot.onset_s + (wave.end - wave.start) / 2);
  }

  async play() {
    const { shot } = this;
    if (!shot) return;
    this.player.pause();
    this.excerpt.src = `${this.path}/excerpt.wav${query({ start_s: Math.max(0, shot.onset_s - 0.1).toFixed(4), end_s: Math.min(this.recording.duration_s, Math.max(shot.end_s, shot.onset_s + 0.5)).toFixed(4) })}`;
    await start(this.excerpt);
  }

  async toggle() {
    if (!this.player.paused) this.player.pause();
    else await start(this.player);
  }

  seek(time) {
    this.player.currentTime = time;
    this.wave.setPlayhead(time);
  }

  add() {
    const onset = this.wave.at ?? (this.wave.start + this.wave.end) / 2;
    const end = Math.min(this.recording.duration_s, onset + 0.3);
    return this.correct({ action: "add", shot: null, onset_s: onset, end_s: end, label: null }, true);
  }

  move(id, onset, end) {
    return this.correct({ action: "move", shot: id, onset_s: onset, end_s: end });
  }

  /** Move at once on the screen; one line of the history for a run of presses. */
  nudge(byOnset, byEnd) {
    const { shot } = this;
    if (!shot || shot.deleted) return;
    shot.onset_s = Math.max(0, shot.onset_s + byOnset);
    shot.end_s = Math.max(shot.onset_s + FINE_S, Math.min(this.recording.duration_s, shot.end_s + byEnd));
    this.fill();
    clearTimeout(this.nudging);
    this.nudging = setTimeout(() => this.move(shot.id, shot.onset_s, shot.end_s), 500);
  }

  remove() {
    if (this.shot && !this.shot.deleted) this.correct({ action: "delete", shot: this.shot.id });
  }

  restore() {
    if (this.shot?.deleted) this.correct({ action: "restore", shot: this.shot.id });
  }

  async correct(change, isNew = false) {
    await this.send("corrections", { ...change, who: who() }, isNew);
  }

  step(what) {
    return this.send(what, { who: who() });
  }

  async send(place, body, isNew = false) {
    const before = new Set(this.shots.map((shot) => shot.id));
    try {
      this.take(await call(`${this.path}/${place}`, "POST", body));
      if (isNew) this.choice.selected = this.shots.find((shot) => !before.has(shot.id))?.id ?? this.choice.selected;
    } catch (error) {
      notify(error.message, "error");
      await this.reread();
    }
    this.fill();
  }

  async reread() {
    try {
      this.take(await call(this.path));
    } catch {
      // The service is away; the banner says so, and the view is read anew when it is back.
    }
  }

  mark() {
    if (!this.shot) return;
    const mine = `${this.recording.id}:${this.shot.id}`;
    const name = `compare ${this.caseId}`;
    const other = sessionStorage.getItem(name);
    if (other && other !== mine) {
      sessionStorage.removeItem(name);
      location.hash = `${link(this.caseId)}/compare/${encodeURIComponent(other)}/${encodeURIComponent(mine)}`;
      return;
    }
    sessionStorage.setItem(name, mine);
    notify(`Shot ${this.numbers.get(this.shot.id)} is the first of two: choose another, here or in another recording, and press Compare (c).`);
  }

  keys() {
    return [
      { key: ["j", "ArrowDown"], what: "next shot", run: () => this.go(1) },
      { key: ["k", "ArrowUp"], what: "shot before", run: () => this.go(-1) },
      { key: "Enter", what: "hear the shot", run: () => this.play() },
      { key: "Space", what: "play or pause the recording", run: () => this.toggle() },
      { key: "l", what: "correct the gun", run: () => this.detail.querySelector("[name=label]")?.focus() },
      { key: "ArrowLeft", what: "move the shot 10 ms earlier", run: () => this.nudge(-NUDGE_S, -NUDGE_S) },
      { key: "ArrowRight", what: "move the shot 10 ms later", run: () => this.nudge(NUDGE_S, NUDGE_S) },
      { key: "Shift+ArrowLeft", what: "1 ms earlier", run: () => this.nudge(-FINE_S, -FINE_S) },
      { key: "Shift+ArrowRight", what: "1 ms later", run: () => this.nudge(FINE_S, FINE_S) },
      { key: ",", what: "end 10 ms earlier", run: () => this.nudge(0, -NUDGE_S) },
      { key: ".", what: "end 10 ms later", run: () => this.nudge(0, NUDGE_S) },
      { key: "a", what: "add a shot at the play position", run: () => this.add() },
      { key: "Delete", what: "delete the shot", run: () => this.remove() },
      { key: "r", what: "restore the shot", run: () => this.restore() },
      { key: ["u", "Ctrl+z"], what: "undo", run: () => this.step("undo") },
      { key: ["y", "Ctrl+y"], what: "redo", run: () => this.step("redo") },
      { key: ["+", "="], what: "zoom in", run: () => this.wave?.zoom(0.5, this.shot?.onset_s) },
      { key: "-", what: "zoom out", run: () => this.wave?.zoom(2) },
      { key: "f", what: "zoom to the shot", run: () => this.reveal(true) },
      { key: "0", what: "show the whole recording", run: () => this.wave?.show(0, this.recording.duration_s) },
      { key: "PageUp", what: "window earlier", run: () => this.wave?.pan(-0.5) },
      { key: "PageDown", what: "window later", run: () => this.wave?.pan(0.5) },
      { key: "c", what: "compare this shot with another", run: () => this.mark() },
      { key: "/", what: "filter the shots", run: () => this.filter?.focus() },
      { key: "e", what: "open the export menu", run: () => openMenu(this.host) },
    ];
  }

  close() {
    if (this.wave) this.choice.window = [this.wave.start, this.wave.end];
    this.stop?.();
    this.player.pause();
    this.excerpt.pause();
    this.wave?.close();
  }
}

async function start(audio) {
  try {
    await audio.play();
  } catch (error) {
    if (error.name !== "AbortError") notify(`This cannot be played: ${error.message}`, "error");
  }
}
