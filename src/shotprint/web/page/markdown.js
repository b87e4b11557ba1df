// The few forms of Markdown that model cards use, as elements: HTML in a card stays text.

import { h, scrolling } from "./dom.js";

function inline(text) {
  return text.split(/(`[^`]+`|\*\*[^*]+\*\*|\[[^\]]+\]\([^)]*\))/).map((part) => {
    if (/^`.+`$/.test(part)) return h("code", {}, part.slice(1, -1));
    if (/^\*\*.+\*\*$/.test(part)) return h("strong", {}, part.slice(2, -2));
    return part.replace(/^\[([^\]]+)\]\([^)]*\)$/, "$1");
  });
}

const cells = (line) => line.replace(/^\||\|$/g, "").split("|").map((cell) => inline(cell.trim()));

function table([head, , ...rows]) {
  return scrolling(h("table", { class: "list" }, h("thead", {}, h("tr", {}, cells(head).map((cell) => h("th", { scope: "col" }, cell)))),
    h("tbody", {}, rows.map((row) => h("tr", {}, cells(row).map((cell) => h("td", {}, cell)))))), "Table of the card");
}

function block(lines) {
  const heading = lines[0].match(/^(#+) (.*)/);
  if (heading) {
    const title = h(`h${Math.min(6, heading[1].length + 2)}`, {}, inline(heading[2]));
    return lines.length > 1 ? [title, block(lines.slice(1))] : title;
  }
  if (lines[0].startsWith("```")) return h("pre", {}, lines.filter((line) => !line.startsWith("```")).join("\n"));
  if (lines[0].startsWith("|") && lines.length > 1) return table(lines);
  if (/^[-*] /.test(lines[0])) return h("ul", {}, join(lines, /^[-*] /).map((item) => h("li", {}, inline(item))));
  return h("p", {}, inline(lines.join(" ")));
}

function join(lines, start) {
  const items = [];
  for (const line of lines) {
    if (start.test(line)) items.push(line.replace(start, ""));
    else items[items.length - 1] += ` ${line.trim()}`;
  }
  return items;
}

export const markdown = (text) => text.split(/\n\s*\n/).filter((part) => part.trim()).map((part) => block(part.trim().split("\n")));
