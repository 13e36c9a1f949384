// The pieces that screens are made of: other people's text, times, sizes, badges, tables, facts, sections.

import { el, fill, href, keep_focus, new_id, svg } from "./dom.js";
import { is_blank, moment, number_text, pieces, relative_text, size_text, time_text, visible } from "./text.js";

// Text that somebody else has chosen. It stands apart from the text around it whatever its direction, and what cannot be seen in it is shown.
export function outside(text, attributes) {
  return el("bdi", attributes, text && is_blank(text) ? quiet("(empty)") : seen(text));
}

function seen(text) {
  return pieces(text).map(([piece, escaped]) => (escaped ? el("span", { class: "escape" }, piece) : breakable(piece)));
}

const LONG = 120; // letters; more are perhaps more than three lines

// What a message is about, or who it says that it is from, in three lines at most; all of it is in the title.
export function brief(text, otherwise = "(no subject)") {
  if (!text || is_blank(text)) return quiet(otherwise);
  const all = visible(text);
  return outside(text, { class: "clamped", title: all.length > LONG ? all : null });
}

export const is_long = (text) => Boolean(text) && visible(text).length > LONG;

// An address that is too long for its line goes on behind the @.
function breakable(text) {
  const at = text.lastIndexOf("@");
  return at < 1 ? text : [text.slice(0, at + 1), el("wbr"), text.slice(at + 1)];
}

export const message_id = (id) => (id ? outside(`<${id}>`, { class: "code" }) : quiet("not known"));

// Several lines: a report, a policy, a zone file.
export function outside_lines(text, attributes) {
  return el(
    "pre",
    { tabindex: 0, ...attributes },
    String(text)
      .split("\n")
      .map((line, i) => [i ? "\n" : "", el("bdi", null, seen(line))]),
  );
}

export const quiet = (...children) => el("span", { class: "quiet" }, children);

// Behind a time stands the exact one, and how long ago it is; `relative` has it the other way round.
export function time(at, { never = "never", relative = false, seconds = false } = {}) {
  const date = moment(at);
  if (!date) return quiet(never);
  const exact = date.toISOString().replace(".000Z", "Z");
  return el(
    "time",
    { datetime: exact, title: `${exact}, ${relative_text(date)}` },
    relative ? relative_text(date) : time_text(date, seconds),
  );
}

export function size(octets) {
  if (octets === null || octets === undefined) return quiet("not known");
  return el("span", { class: "nowrap", title: `${number_text(octets)} octets` }, size_text(octets));
}

// kind: ok, note, warning, problem
export const badge = (text, kind) => el("span", { class: `badge ${kind || "note"}` }, text);

export const link = (words, ...children) => el("a", { href: href(...words) }, children);

export const message_box = (kind, ...children) => el("div", { class: `message ${kind}` }, children);

export function section(title, ...children) {
  const id = new_id("section");
  return el("section", { "aria-labelledby": id }, el("h2", { id }, title), children);
}

// Rows of [name, value]; those without a value are left out.
export function facts(rows) {
  return el(
    "dl",
    { class: "facts" },
    rows
      .filter((row) => row && row[1] !== null && row[1] !== undefined)
      .map(([name, value]) => el("div", null, el("dt", null, name), el("dd", null, value))),
  );
}

// columns: [{title, cell: row => child, class}]. On a narrow screen each row is a card, and each cell has its title beside it. That takes the
// elements' own roles from them, so they are named.
export function table({ label, columns, rows, empty = "There is nothing here." }) {
  if (rows.length === 0) return el("p", { class: "quiet empty" }, empty);
  return el(
    "div",
    { class: "table-box" },
    el(
      "table",
      { role: "table", "aria-label": label },
      el(
        "thead",
        { role: "rowgroup" },
        el(
          "tr",
          { role: "row" },
          columns.map((column) => el("th", { role: "columnheader", scope: "col", class: column.class }, column.title)),
        ),
      ),
      el(
        "tbody",
        { role: "rowgroup" },
        rows.map((row) => table_row(columns, row)),
      ),
    ),
  );
}

export function table_row(columns, row) {
  return el(
    "tr",
    { role: "row" },
    columns.map((column) =>
      el("td", { role: "cell", class: column.class, "data-title": column.title }, el("div", null, column.cell(row))),
    ),
  );
}

// How much of a whole is used, 0 to 100; more is full.
export function bar(percent, label) {
  const width = Math.min(100, Math.max(0, percent));
  const kind = percent >= 100 ? "problem" : percent >= 90 ? "warning" : "ok";
  return svg(
    "svg",
    { class: `bar ${kind}`, viewBox: "0 0 100 6", preserveAspectRatio: "none", role: "img", "aria-label": label },
    svg("rect", { class: "whole", width: 100, height: 6 }),
    svg("rect", { class: "part", width, height: 6 }),
  );
}

// A few links to parts of one thing; `here` is the title of the one that is shown.
export function tabs(label, entries, here) {
  return el(
    "nav",
    { class: "tabs", "aria-label": label },
    entries.map(([title, ...words]) => el("a", { href: href(...words), "aria-current": title === here ? "page" : null }, title)),
  );
}

export const heading = (title, ...beside) =>
  el(
    "div",
    { class: "heading" },
    el("h1", { tabindex: -1 }, title),
    beside.length ? el("div", { class: "actions" }, beside) : null,
  );

export const waiting = (words = "One moment …") => el("p", { class: "quiet", role: "status" }, words);

// A place that is filled when its answer is there; an error stays in it, with a way to try again.
export function later(make) {
  const place = el("div", { "aria-busy": "true" }, waiting());
  const load = async () => {
    place.setAttribute("aria-busy", "true");
    try {
      fill(place, await make(load));
    } catch (error) {
      fill(place, refusal(error, load));
    }
    place.removeAttribute("aria-busy");
  };
  load();
  place.load = load;
  return place;
}

export function refusal(error, again) {
  const act = async () => {
    const refocus = keep_focus(button);
    await again();
    refocus();
  };
  const button = again ? el("button", { type: "button", class: "plain", onclick: act }, "Try again") : null;
  return el("div", { class: "message bad", role: "alert" }, el("p", null, outside(error.message || String(error))), button);
}

export { visible };
