// Shortcuts: each view hands in its own; the help dialog is made of the same list.
// A key is {key, what, run}; single letters can be switched off, as WCAG 2.1.4 asks.

import { button, h, scrolling } from "./dom.js";

const GLOBAL = [
  { key: "?", what: "show these keys", run: () => showHelp() },
  { key: "Escape", what: "close a dialog or a menu, leave a field", run: leave },
];
let keys = [];

export const listen = (wanted) => (keys = wanted);

const isOn = () => localStorage.getItem("keys") !== "off";
const isTyping = (target) => target.matches?.("input:not([type=checkbox]):not([type=radio]), select, textarea");

function leave() {
  for (const menu of document.querySelectorAll("details[open].menu")) {
    menu.open = false;
    menu.querySelector("summary").focus();
  }
  if (isTyping(document.activeElement)) document.activeElement.blur();
}

const nameOf = (event) =>
  [event.ctrlKey || event.metaKey ? "Ctrl+" : "", event.shiftKey && event.key.length > 1 ? "Shift+" : "",
    event.key === " " ? "Space" : event.key].join("");

document.addEventListener("keydown", (event) => {
  if (event.altKey || document.querySelector("dialog[open]")) return;
  const name = nameOf(event);
  if (isTyping(event.target) && name !== "Escape") return;
  const single = name.length === 1;
  if (single && !isOn()) return;
  // Enter and Space on a button, a link or a menu do what they always do there.
  if (["Enter", "Space"].includes(name) && event.target.closest("button, a, summary, input")) return;
  const found = [...keys, ...GLOBAL].find((entry) => [entry.key].flat().includes(name));
  if (!found) return;
  event.preventDefault();
  found.run(event);
});

export function showHelp() {
  const dialog = document.getElementById("help");
  const rows = [...keys, ...GLOBAL].filter((entry) => entry.what).map((entry) =>
    h("tr", {}, h("td", {}, [entry.key].flat().map((key, i) => [i ? " or " : "", h("kbd", {}, key)])), h("td", {}, entry.what)));
  const single = h("input", { type: "checkbox", checked: isOn(), onchange: (event) => localStorage.setItem("keys", event.target.checked ? "on" : "off") });
  dialog.replaceChildren(
    h("h2", { id: "help-title" }, "Keys of this page"),
    scrolling(h("table", { class: "keys" }, h("thead", {}, h("tr", {}, h("th", {}, "Key"), h("th", {}, "What it does"))), h("tbody", {}, rows)), "Keys"),
    h("p", {}, "Tab goes from part to part; the lists and menus follow the keys of the browser."),
    h("p", {}, h("label", {}, single, " Keys of one letter do something")),
    button("Close", () => dialog.close(), { autofocus: true }));
  dialog.showModal();
}
