// The list of cases, and a new one.

import { call, who } from "./api.js";
import { h, notify, scrolling } from "./dom.js";
import { plural } from "./format.js";

export async function showCases(host) {
  const cases = await call("/api/cases");
  const name = h("input", { name: "name", required: true, maxlength: 200, autocomplete: "off", placeholder: "such as 2026-031, range take 2" });
  const create = async (event) => {
    event.preventDefault();
    try {
      const made = await call("/api/cases", "POST", { name: name.value.trim() });
      location.hash = `#/case/${encodeURIComponent(made.id)}`;
    } catch (error) {
      notify(error.message, "error");
    }
  };
  const person = h("input", { value: who(), maxlength: 80, onchange: (event) => localStorage.setItem("who", event.target.value.trim() || "examiner") });
  host.append(
    h("h1", {}, "Cases"),
    h("div", { class: "panel forms" },
      h("form", { onsubmit: create }, h("label", {}, "Name of a new case ", name), h("button", { class: "primary" }, "Create the case")),
      h("label", {}, "Your name, for the history ", person)),
    cases.length ? listCases(cases) : h("p", { class: "empty" }, "There is no case yet. A case holds recordings, what the machine says about them, and every correction."));
  return { keys: [{ key: "n", what: "name a new case", run: () => name.focus() }] };
}

const listCases = (cases) => scrolling(h("table", { class: "list" },
  h("thead", {}, h("tr", {}, ["Case", "Created", "Recordings"].map((text) => h("th", { scope: "col" }, text)))),
  h("tbody", {}, cases.map((entry) => h("tr", {},
    h("td", {}, h("a", { href: `#/case/${encodeURIComponent(entry.id)}` }, entry.name)),
    h("td", {}, when(entry.created)),
    h("td", {}, plural(entry.n_recordings ?? 0, "recording")))))), "Cases");

export const when = (iso) => (iso ? new Date(iso).toLocaleString("sv-SE") : "–");
