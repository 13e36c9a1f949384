// Is all as mail needs it: the machine, the DNS, the network; and what to do.

import { el, fill } from "./dom.js";
import { badge, facts, heading, link, outside, quiet, section, time } from "./parts.js";
import { look_panel } from "./looks.js";

// The worst first.
const STATES = [
  ["problem", "Problems", "Mail is refused, lost, or open to others."],
  ["warning", "Warnings", "Mail works, but not everywhere or not for long."],
  ["skipped", "Not looked at", "What could not be looked at, and why."],
  ["note", "Notes", "Nothing has to be done."],
  ["ok", "In order", ""],
];

// Where this page can do something about it.
const HELP = { "dns-records": ["dns", "The records to publish"], tls: ["access", "The certificate"] };

export async function doctor(place, _, life) {
  const panel = look_panel({
    look: { look: "doctor" },
    begin: "Examine the server",
    running: "Looking. It asks other hosts, and takes up to a minute.",
    life,
    show,
  });
  fill(
    place,
    heading("Doctor", panel.start),
    el(
      "p",
      { class: "quiet" },
      "Looks whether the machine, the DNS and the network are as mail needs them. It changes nothing, and sends no mail.",
    ),
    panel.element,
  );
  await panel.open();
}

function show(report, at) {
  const { findings, problems, warnings } = report.result;
  return [
    el(
      "p",
      { class: "made" },
      "Made ",
      time(at),
      quiet(" ("),
      time(at, { relative: true }),
      quiet("). "),
      problems ? badge(`${problems} problem${problems === 1 ? "" : "s"}`, "problem") : null,
      " ",
      warnings ? badge(`${warnings} warning${warnings === 1 ? "" : "s"}`, "warning") : null,
      " ",
      problems || warnings ? null : badge("all in order", "ok"),
    ),
    STATES.map(([state, title, words]) => {
      const those = findings.filter((each) => each.state === state);
      if (!those.length) return null;
      return section(
        `${title} (${those.length})`,
        words ? el("p", { class: "quiet" }, words) : null,
        state === "ok"
          ? facts(those.map((each) => [outside(each.check), outside(each.found)]))
          : el("ul", { class: "findings" }, those.map(finding)),
      );
    }),
  ];
}

function finding(each) {
  const help = Object.hasOwn(HELP, each.check) ? HELP[each.check] : null;
  return el(
    "li",
    { class: each.state },
    el("h3", null, outside(each.check)),
    el("p", null, outside(each.found)),
    each.advice ? el("p", { class: "advice" }, outside(each.advice)) : null,
    help ? el("p", null, link([help[0]], help[1])) : null,
  );
}
