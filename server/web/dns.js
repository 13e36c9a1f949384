// What a domain has to have in the DNS, and what is there; the keys that sign its mail.

import { command, result } from "./api.js";
import { el, fill } from "./dom.js";
import {
  badge,
  facts,
  heading,
  link,
  message_box,
  outside,
  outside_lines,
  quiet,
  section,
  tabs,
  time,
  waiting,
} from "./parts.js";
import { button, copy_button, copyable, tell } from "./actions.js";
import { ask_first } from "./dialogs.js";
import { look_panel } from "./looks.js";
import { number_text } from "./text.js";

const MOST_TABS = 40;

const VERDICTS = { ok: "ok", missing: "problem", differs: "problem", "cannot tell": "warning", "no answer": "warning" };

export async function dns(place, [wanted], life) {
  const domains = (await result("domain list")).map((each) => each.domain);
  const domain = domains.includes(wanted) ? wanted : domains[0];
  if (!domain) {
    fill(
      place,
      heading("DNS"),
      el("p", { class: "quiet" }, "No domain is served yet: add a mailbox, and its domain's records are shown here."),
    );
    return;
  }
  // Of very many, those around it.
  const first = Math.max(0, Math.min(domains.indexOf(domain) - MOST_TABS / 2, domains.length - MOST_TABS));
  const near = domains.slice(first, first + MOST_TABS);
  const body = el("div", null, waiting());
  fill(
    place,
    heading("DNS"),
    el(
      "p",
      { class: "quiet" },
      "What the world has to know of your domain stands in the DNS. Publish each record as the form of your registrar, or of whoever holds the domain, asks for it.",
    ),
    tabs(
      "Domains",
      near.map((each) => [outside(each), "dns", each]),
      null,
    ),
    near.length < domains.length ? el("p", null, link(["aliases"], `All ${number_text(domains.length)} domains`)) : null,
    body,
  );
  place.querySelectorAll(".tabs a")[near.indexOf(domain)].setAttribute("aria-current", "page");
  await show_domain(body, domain, life);
}

async function show_domain(place, domain, life) {
  const again = () => show_domain(place, domain, life);
  const [records, zone, keys] = await Promise.all([
    result("dns records", [domain]),
    command("dns records", [domain], { flags: ["zone"] }),
    result("dkim show", [domain]),
  ]);
  const list = el("div", { class: "records" });
  const panel = look_panel({
    look: { look: "dns check", domain },
    begin: "Check the DNS",
    running: "Asking the name servers.",
    life,
    show: (report, at) => {
      fill(list, cards(records, report.result));
      return outcome(report, at);
    },
  });
  fill(list, cards(records, null));
  fill(
    place,
    section(["Records of ", outside(domain)], el("div", { class: "actions" }, panel.start), panel.element, list),
    section(
      "As a zone file",
      el(
        "details",
        { class: "plain-text" },
        el("summary", null, "All records as lines of a zone file"),
        el("div", { class: "actions" }, copy_button(zone.text, "the zone file's lines")),
        outside_lines(zone.text.trim(), { class: "zone" }),
      ),
    ),
    section("Keys that sign its mail (DKIM)", dkim(domain, keys, again)),
  );
  await panel.open();
}

function outcome(report, at) {
  const bad = report.result.filter(
    (each) => each.required && VERDICTS[each.verdict] !== "ok" && each.verdict !== "cannot tell",
  ).length;
  return message_box(
    bad ? "bad" : "good",
    el(
      "p",
      null,
      bad === 0 ? "All that is needed is there." : bad === 1 ? "One record is not right." : `${bad} records are not right.`,
      quiet(" Checked "),
      time(at),
      bad ? quiet(". What was changed is seen after an hour or so.") : null,
    ),
  );
}

const same = (record) => (finding) =>
  finding.type === record.type && finding.name === record.name && finding.wanted === record.value;

// `findings`: of `dns check`, or null. What was found beside the records has a card of its own, above.
function cards(records, findings) {
  const others = (findings || []).filter((finding) => !records.some((record) => same(record)(finding)));
  return [
    others.map((finding) =>
      card({ name: finding.name, type: finding.type, value: finding.wanted, required: finding.required, purpose: "" }, finding),
    ),
    records.map((record) => card(record, findings?.find(same(record)))),
  ];
}

function card(record, finding) {
  return el(
    "article",
    { class: "card record" },
    el(
      "h3",
      null,
      el("span", { class: "type" }, outside(record.type)),
      " ",
      outside(record.name),
      finding
        ? [" ", badge(finding.verdict, record.required || finding.verdict === "ok" ? VERDICTS[finding.verdict] : "note")]
        : null,
      record.required ? null : [" ", badge("of use, not needed", "note")],
    ),
    record.purpose ? el("p", null, outside(record.purpose)) : null,
    record.reverse ? el("p", { class: "quiet" }, "Not in your domain's zone: whoever gave you the address sets it.") : null,
    facts([
      ["Name", copyable(record.name, `the name of the ${record.type} record`)],
      record.value ? ["Value", copyable(record.value, `the value of the ${record.type} record of ${record.name}`)] : null,
      record.policy ? [outside(record.policy_url), outside_lines(record.policy.trim())] : null,
      finding?.found && finding.verdict !== "ok" ? ["There is", outside(finding.found, { class: "code" })] : null,
      finding?.advice && finding.verdict !== "ok" ? ["What to do", outside(finding.advice)] : null,
    ]),
  );
}

const KEY_STATES = { active: ["signs", "ok"], next: ["to be published", "warning"], retired: ["signs no more", "note"] };

function dkim(domain, keys, again) {
  const next = keys.some((key) => key.state === "next");
  return [
    el(
      "p",
      { class: "quiet" },
      "Other hosts check the signature by a record in the DNS, which is among those above. New keys now and then are good practice: they are made, published, and then made to sign.",
    ),
    el(
      "ul",
      { class: "bare cards" },
      keys.map((key) =>
        el(
          "li",
          { class: "card" },
          el(
            "h3",
            null,
            outside(key.selector),
            " ",
            quiet(outside(key.algorithm)),
            " ",
            badge(...(KEY_STATES[key.state] || [key.state, "note"])),
          ),
          el(
            "p",
            { class: "quiet" },
            key.state === "retired"
              ? ["Its record may go from the DNS after ", time(key.removable_after), "."]
              : key.state === "active"
                ? ["Since ", time(key.since), "."]
                : "Its record has to be in the DNS before it signs.",
          ),
        ),
      ),
    ),
    el(
      "div",
      { class: "actions" },
      next
        ? button("Let the new keys sign", () => activate(domain, again), { kind: "" })
        : button("Make new keys", () => make(domain, again)),
    ),
  ];
}

async function make(domain, again) {
  await command("dkim rotate", [domain]);
  await again();
  tell("The new keys are made. Publish their records, which are above now; check the DNS; then let them sign.");
}

async function activate(domain, again) {
  const done = await ask_first({
    title: "Let the new keys sign?",
    kind: "",
    button: "Let them sign",
    intro: [
      "Do this only when the DNS shows the records of the new keys of ",
      outside(domain),
      ". Leave those of the old ones there for a week: mail that they signed is still on its way.",
    ],
    send: () => command("dkim rotate", [domain], { flags: ["activate"] }),
  });
  if (!done) return;
  await again();
  tell("The new keys sign from now on.");
}
