// What takes a minute, since it waits for other hosts: it is begun, and asked for until it is done.

import { begin_look, look_state } from "./api.js";
import { el, fill } from "./dom.js";
import { refusal } from "./parts.js";
import { button, tell_error, while_disabled } from "./actions.js";

const EVERY = 1000; // ms

// look: {look: "doctor"} or {look: "dns check", domain}. `show(report, at)` gives the elements for what was found.
export function look_panel({ look, begin, running, life, show }) {
  const state = el("div", { role: "status" });
  const found = el("div");
  const start = button(begin, run, { kind: "" });

  async function run() {
    await begin_look(look);
    // The button stays asleep for as long as it is looked.
    await follow();
  }

  async function follow() {
    const began = Date.now();
    const seconds = el("span", { "aria-hidden": "true" });
    fill(state, el("p", { class: "progress" }, el("progress"), " ", running, " ", seconds));
    let told;
    try {
      do {
        await new Promise((resolve) => setTimeout(resolve, EVERY));
        if (life.aborted) return;
        told = await look_state(look, { poll: true });
        fill(seconds, `${Math.round((Date.now() - began) / 1000)} s`);
      } while (told.state === "running");
    } catch (error) {
      fill(
        state,
        refusal(error, () => start.click()),
      );
      return;
    }
    settle(told);
  }

  function settle(told) {
    fill(state);
    if (told.state === "done") show_report(told);
  }

  function show_report({ report, at }) {
    if (report.result === null || report.result === undefined || report.result === "")
      fill(state, refusal(new Error(report.error || report.text || "It could not be looked at.")));
    else fill(found, show(report, at));
  }

  return {
    start,
    element: el("div", null, state, found),
    // Of before, or what somebody else has begun.
    open: async () => {
      const told = await look_state(look);
      if (told.state !== "running") return settle(told);
      if (told.report) show_report(told); // the last one
      start_following();
    },
  };

  function start_following() {
    while_disabled(start, follow).catch(tell_error);
  }
}
