// Tables of thousands of rows: a hundred are drawn, more when they are asked for.

import { el, fill } from "./dom.js";
import { quiet, table, table_row } from "./parts.js";
import { button } from "./actions.js";
import { number_text } from "./text.js";

export const MOST = 100; // rows at a time

// As table(). `show(rows, empty)` draws others.
export function long_table({ label, columns, rows, empty }) {
  const element = el("div");
  const foot = el("div", { class: "actions" });
  let all = [],
    shown = 0;

  function tell() {
    fill(
      foot,
      shown < all.length
        ? [button("Show more", more), quiet(`${number_text(shown)} of ${number_text(all.length)} are shown`)]
        : null,
    );
  }

  function more() {
    const body = element.querySelector("tbody");
    const rows = all.slice(shown, shown + MOST).map((row) => table_row(columns, row));
    body.append(...rows);
    shown += rows.length;
    tell();
    // Who works by keyboard goes on with the first of them.
    rows[0].querySelector("a, button")?.focus();
  }

  function show(those, words = empty) {
    all = those;
    shown = Math.min(MOST, all.length);
    fill(element, table({ label, columns, rows: all.slice(0, MOST), empty: words }), foot);
    tell();
  }

  show(rows);
  return { element, show };
}
