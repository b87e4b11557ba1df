// The page's address after # says what is shown; each view is one module that fills <main>.

import { watchConnection } from "./api.js";
import { button, h } from "./dom.js";
import { listen, showHelp } from "./keys.js";
import { showCase } from "./case.js";
import { showCases } from "./cases.js";
import { showCompare } from "./compare.js";
import { showHistory } from "./history.js";
import { showModels } from "./models.js";
import { showRecording } from "./recording.js";

const VIEWS = [
  [/^#\/cases$/, showCases],
  [/^#\/case\/([^/]+)$/, showCase],
  [/^#\/case\/([^/]+)\/history$/, showHistory],
  [/^#\/case\/([^/]+)\/compare\/([^/]+)\/([^/]+)$/, showCompare],
  [/^#\/case\/([^/]+)\/recording\/([^/]+)$/, showRecording],
  [/^#\/models$/, showModels],
];

const main = document.getElementById("main");
let current = { close() {} };
let turn = 0;

/** Show the view of the address; `again` re-reads it without taking the focus away. */
async function show(again = false) {
  const mine = ++turn;
  const [, view, parts] = match(location.hash) ?? [];
  if (!view) {
    location.replace("#/cases");
    return;
  }
  const host = h("div", { class: "view" });
  try {
    const next = (await view(host, ...parts)) ?? {};
    if (mine !== turn) {
      next.close?.();
      return;
    }
    current.close?.();
    current = next;
  } catch (error) {
    if (mine !== turn) return;
    host.replaceChildren(h("h1", {}, "This cannot be shown"), h("p", { class: "notice error" }, error.message),
      h("p", {}, button("Try again", () => show()), " ", h("a", { href: "#/cases" }, "To the cases")));
  }
  document.getElementById("help").close();
  if (!again) document.querySelectorAll("#notices .note").forEach((line) => line.remove());
  main.replaceChildren(host);
  listen(current.keys ?? []);
  current.opened?.();
  document.title = `${host.querySelector("h1")?.textContent ?? "shotprint"} · shotprint`;
  for (const link of document.querySelectorAll(".top nav a")) {
    const here = location.hash.startsWith(link.getAttribute("href").replace("cases", "case"));
    if (here) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  if (!again) main.focus({ preventScroll: true });
}

function match(hash) {
  for (const [pattern, view] of VIEWS) {
    const found = hash.match(pattern);
    if (found) return [pattern, view, found.slice(1).map(decodeURIComponent)];
  }
  return null;
}

function tellConnection(online) {
  const place = document.getElementById("connection");
  place.textContent = online ? "" : "⚠ The service does not answer. Trying again…";
  document.body.classList.toggle("offline", !online);
  if (online) show(true);
}

document.addEventListener("connection", (event) => tellConnection(event.detail));
document.getElementById("help-button").addEventListener("click", showHelp);
document.getElementById("skip").addEventListener("click", (event) => {
  event.preventDefault();
  main.focus();
});
addEventListener("hashchange", () => show());
watchConnection();
show();
