// Elements without HTML text: what a file name or a label holds is always shown, never run.

const SVG = "http://www.w3.org/2000/svg";

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "style") for (const [key, v] of Object.entries(value)) element.style.setProperty(key, v);
    else if (name === "value" || name === "checked" || name === "disabled") element[name] = value;
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat(3).filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

export const h = (tag, attributes = {}, ...children) => fill(document.createElement(tag), attributes, children);

export const svg = (tag, attributes = {}, ...children) =>
  fill(document.createElementNS(SVG, tag), attributes, children);

export const button = (text, onclick, attributes = {}) => h("button", { type: "button", onclick, ...attributes }, text);

/** Fill `host` anew; the focus stays on what has the same name or `data-do`. */
export function refill(host, children) {
  const active = document.activeElement;
  const held = host.contains(active) && active !== host;
  const same = active?.name ? `[name="${active.name}"]` : active?.dataset?.do ? `[data-do="${CSS.escape(active.dataset.do)}"]` : null;
  host.replaceChildren(...children);
  if (held) ((same && host.querySelector(same)) ?? host).focus({ preventScroll: true });
}

/** Put a table into a box that scrolls sideways alone, so that the page never does. */
export const scrolling = (table, name) =>
  h("div", { class: "scrolling", tabindex: 0, role: "region", "aria-label": name }, table);

/** Say a line to everybody: it is shown for some seconds, and read out. */
export function notify(text, kind = "note") {
  const line = h("p", { class: `notice ${kind}` }, text, " ");
  line.append(button("Close", () => line.remove()));
  document.getElementById("notices").append(line);
  if (kind === "note") setTimeout(() => line.remove(), 6000);
}
