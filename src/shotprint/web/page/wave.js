// A window of a recording: waveform, spectrogram, shots as regions, and an overview of the whole.
// Peaks and picture come from the service for exactly this window, so length costs nothing here.

import WaveSurfer from "./vendor/wavesurfer.esm.js";
import Regions from "./vendor/regions.esm.js";
import { call, query } from "./api.js";
import { h } from "./dom.js";
import { clock, MARKS, stateOf } from "./format.js";

const SHORTEST_S = 0.02;
const MOST_REGIONS = 200;

const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

export class Wave {
  /** `on` holds move(id, onset_s, end_s), select(id) and seek(time_s). */
  constructor(path, { duration_s: durationS, sample_rate_hz: rate }, on) {
    this.path = path;
    this.durationS = durationS;
    this.on = on;
    this.start = 0;
    this.end = durationS;
    this.peak = 1;
    this.shots = [];
    this.turn = 0;
    this.overview = h("canvas", { class: "overview", height: 40, onpointerdown: (event) => this.jump(event), "aria-hidden": "true" });
    this.host = h("div", { class: "waveform" });
    this.playhead = h("div", { class: "playhead" });
    this.picture = h("img", { class: "spectrogram", alt: "Spectrogram of the part that is shown" });
    this.axis = h("div", { class: "axis", "aria-hidden": "true" });
    const spectrum = h("div", { class: "spectrum" }, this.picture, h("span", { class: "top-hz" }, `${rate / 2000} kHz`), h("span", { class: "low-hz" }, "0"));
    this.frame = h("div", { class: "window" }, this.host, this.axis, spectrum, this.playhead);
    this.element = h("div", { class: "wave", role: "group", "aria-label": "Waveform and spectrogram" }, this.overview, this.frame);
  }

  async open() {
    this.regions = Regions.create();
    this.surfer = WaveSurfer.create({ container: this.host, height: 128, cursorWidth: 0, fillParent: true, hideScrollbar: true,
      plugins: [this.regions], renderFunction: (channels, context) => this.paint(channels, context) });
    this.surfer.on("click", (x) => this.on.seek(this.start + x * (this.end - this.start)));
    this.regions.on("region-clicked", (region, event) => {
      event.stopPropagation();
      this.on.select(region.id);
    });
    this.regions.on("region-updated", (region) => this.on.move(region.id, this.start + region.start, this.start + region.end));
    this.host.addEventListener("wheel", (event) => this.wheel(event), { passive: false });
    this.resized = new ResizeObserver(() => this.later());
    const width = this.overview.clientWidth || 1000;
    this.whole = await this.fetchPeaks(0, this.durationS, Math.min(2000, Math.round(width)));
    this.peak = Math.max(1e-4, ...this.whole.max.map(Math.abs), ...this.whole.min.map(Math.abs));
    await this.refresh();
    this.resized.observe(this.frame);
  }

  fetchPeaks(start, end, bins) {
    return call(this.path + "/peaks" + query({ start_s: start, end_s: end, bins }));
  }

  /** Show from `start` to `end` in seconds, kept within the recording. */
  show(start, end) {
    const length = Math.min(this.durationS, Math.max(SHORTEST_S, end - start));
    this.start = Math.max(0, Math.min(start, this.durationS - length));
    this.end = this.start + length;
    this.later();
  }

  zoom(factor, around = (this.start + this.end) / 2) {
    const share = (around - this.start) / (this.end - this.start);
    const length = Math.min(this.durationS, Math.max(SHORTEST_S, (this.end - this.start) * factor));
    this.show(around - share * length, around + (1 - share) * length);
  }

  pan(share) {
    const by = share * (this.end - this.start);
    this.show(this.start + by, this.end + by);
  }

  later() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.refresh().catch(() => {}), 80);
  }

  async refresh() {
    const mine = ++this.turn;
    const width = Math.max(100, this.host.clientWidth);
    const found = await this.fetchPeaks(this.start, this.end, Math.min(4000, Math.round(width)));
    if (mine !== this.turn || !this.surfer) return;
    const length = this.end - this.start;
    this.picture.src = this.path + "/spectrogram.png" + query({ start_s: this.start, end_s: this.end, width: Math.min(2000, Math.round(width)), height: 140 });
    await this.surfer.load("", [Float32Array.from(found.max), Float32Array.from(found.min)], length);
    this.drawAxis();
    this.drawRegions();
    this.drawOverview();
    this.setPlayhead(this.at ?? null);
  }

  paint([max, min], context) {
    const { width, height } = context.canvas;
    const y = (value) => (height / 2) * (1 - (0.95 * value) / this.peak);
    context.fillStyle = colour("--wave");
    const step = width / max.length;
    for (let i = 0; i < max.length; i++) {
      const top = y(max[i]);
      context.fillRect(i * step, top, Math.max(1, step), Math.max(1, y(min[i]) - top));
    }
  }

  setShots(shots, selected) {
    this.shots = shots;
    this.selected = selected;
    this.drawRegions();
    this.drawOverview();
  }

  drawRegions() {
    if (!this.surfer?.getDuration()) return;
    this.regions.clearRegions();
    const seen = this.shots.filter((shot) => shot.end_s > this.start && shot.onset_s < this.end);
    for (const shot of seen.slice(0, MOST_REGIONS)) this.drawRegion(shot);
  }

  drawRegion(shot) {
    const state = stateOf(shot);
    const chosen = shot.id === this.selected;
    const number = this.shots.indexOf(shot) + 1;
    const region = this.regions.addRegion({ id: shot.id, start: Math.max(0, shot.onset_s - this.start), end: Math.min(this.end, shot.end_s) - this.start,
      content: h("span", { style: { "white-space": "nowrap", padding: "0 3px", font: "12px sans-serif" } }, `${MARKS[state]}${number}`), color: colour(chosen ? "--region-chosen" : "--region"),
      drag: !shot.deleted && chosen, resize: !shot.deleted && chosen });
    const edge = state === "deleted" ? "dotted" : state === "machine" ? "solid" : "dashed";
    const style = region.element?.style;
    if (!style) return;
    style.borderLeft = `2px ${edge} ${colour("--onset")}`;
    if (chosen) style.outline = `2px solid ${colour("--focus")}`;
    if (shot.deleted) style.opacity = "0.5";
  }

  drawAxis() {
    const length = this.end - this.start;
    const step = [0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60, 120, 300, 600].find((s) => length / s <= this.host.clientWidth / 75) ?? 1200;
    const ticks = [];
    for (let t = Math.ceil(this.start / step) * step; t <= this.end; t += step) ticks.push(t);
    const digits = step < 0.01 ? 3 : step < 0.1 ? 2 : step < 1 ? 1 : 0;
    this.axis.replaceChildren(...ticks.map((t) => h("span", { style: { left: `${(100 * (t - this.start)) / length}%` } }, clock(t, digits))));
  }

  drawOverview() {
    if (!this.whole) return;
    const canvas = this.overview;
    canvas.width = canvas.clientWidth || 1000;
    const context = canvas.getContext("2d");
    const x = (time) => (time / this.durationS) * canvas.width;
    context.fillStyle = colour("--shown");
    context.fillRect(x(this.start), 0, Math.max(3, x(this.end) - x(this.start)), canvas.height);
    context.fillStyle = colour("--wave");
    this.whole.max.forEach((max, i) => {
      const top = 20 - (16 * max) / this.peak;
      context.fillRect((i / this.whole.max.length) * canvas.width, top, 1, Math.max(1, 20 - (16 * this.whole.min[i]) / this.peak - top));
    });
    for (const shot of this.shots.filter((entry) => !entry.deleted)) {
      context.fillStyle = colour(shot.id === this.selected ? "--focus" : "--onset");
      context.fillRect(x(shot.onset_s), shot.id === this.selected ? 0 : 30, 2, canvas.height);
    }
  }

  jump(event) {
    const time = (event.offsetX / this.overview.clientWidth) * this.durationS;
    const half = (this.end - this.start) / 2;
    this.show(time - half, time + half);
  }

  wheel(event) {
    if (!event.ctrlKey && !event.shiftKey) return;
    event.preventDefault();
    const box = this.host.getBoundingClientRect();
    const around = this.start + ((event.clientX - box.left) / box.width) * (this.end - this.start);
    if (event.ctrlKey) this.zoom(event.deltaY > 0 ? 1.3 : 1 / 1.3, around);
    else this.pan(Math.sign(event.deltaY || event.deltaX) * 0.1);
  }

  setPlayhead(time) {
    this.at = time;
    const share = time === null ? -1 : (time - this.start) / (this.end - this.start);
    this.playhead.hidden = share < 0 || share > 1;
    this.playhead.style.left = `${100 * share}%`;
  }

  close() {
    this.resized?.disconnect();
    clearTimeout(this.timer);
    this.surfer?.destroy();
    this.surfer = null;
  }
}
