// What is known of each model: its card, how it errs, and whether its probabilities hold.

import { call } from "./api.js";
import { h, scrolling } from "./dom.js";
import { markdown } from "./markdown.js";

const PICTURES = [
  ["confusion", "Which gun is taken for which"],
  ["reliability", "Whether the probabilities hold"],
  ["validation", "Validation of the likelihood ratios"],
];

export async function showModels(host) {
  const models = await call("/api/models");
  host.append(h("h1", {}, "Models"),
    h("p", { class: "quiet" }, "Nothing but the labels of its model can ever be answered. The figures say how far an answer may be trusted."),
    ...models.map(showModel));
  return {};
}

const showModel = (model) => h("section", { class: "panel model", "aria-label": model.name },
  h("h2", {}, `${model.name} ${model.version ?? ""}`),
  h("p", { class: "quiet" }, "SHA-256 ", h("code", { class: "hash" }, model.sha256)),
  model.labels?.length ? h("p", { class: "labels" }, "Labels: ", model.labels.map((label) => [h("span", { class: "tag" }, label), " "])) : null,
  h("div", { class: "pictures" }, PICTURES.map(([name, text]) => picture(model, name, text))),
  showFigures(model.validation),
  model.card ? h("details", { open: true }, h("summary", {}, "Card"), h("div", { class: "card" }, markdown(model.card))) : null);

function picture(model, name, text) {
  const image = h("img", { src: `/api/models/${encodeURIComponent(model.sha256)}/pictures/${name}.svg`, alt: text, loading: "lazy" });
  const figure = h("figure", {}, h("figcaption", {}, text), image);
  image.addEventListener("error", () => image.replaceWith(h("p", { class: "empty" }, "The model holds no figures for this picture.")));
  return figure;
}

function showFigures(values) {
  const rows = flatten(values ?? {});
  if (!rows.length) return null;
  return h("details", { open: true }, h("summary", {}, "Validation figures"), scrolling(h("table", { class: "list figures" },
    h("tbody", {}, rows.map(([name, value]) => h("tr", {}, h("th", { scope: "row" }, name), h("td", {}, String(value)))))), "Validation figures"));
}

function flatten(values, before = "") {
  return Object.entries(values).flatMap(([key, value]) => {
    const name = before ? `${before}, ${key.replaceAll("_", " ")}` : key.replaceAll("_", " ");
    if (value === null) return [];
    if (Array.isArray(value)) return value.every((v) => typeof v !== "object") ? [[name, value.join(" to ")]] : [];
    return typeof value === "object" ? flatten(value, name) : [[name, value]];
  });
}
