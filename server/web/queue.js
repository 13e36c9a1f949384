// Mail on its way to other hosts: the list, and one message with all that was tried.

import { command, result } from "./api.js";
import { el, fill, href } from "./dom.js";
import { badge, facts, heading, link, message_id, outside, quiet, section, size, table, time } from "./parts.js";
import { button, copyable, tell } from "./actions.js";
import { ask_first } from "./dialogs.js";
import { counted, moment, now, number_text } from "./text.js";

const STATES = { waits: "note", delivered: "ok", failed: "problem", dropped: "warning" };

export const recipient_badge = (state) => badge(state, STATES[state]);

const waiting = (message) => message.recipients.filter((each) => each.state === "waits");

function next_attempt(message) {
  if (message.held) return badge("held", "warning");
  const times = waiting(message)
    .map((each) => moment(each.next_attempt_at))
    .filter(Boolean);
  if (!times.length) return quiet("report to come");
  const next = new Date(Math.min(...times));
  return next <= now() ? "now" : time(next.toISOString(), { relative: true });
}

function recipients(message) {
  const left = waiting(message);
  if (!left.length) return quiet("–");
  return [outside(left[0].address), left.length > 1 ? quiet(` and ${number_text(left.length - 1)} more`) : null];
}

const last_reply = (message) => message.recipients.map((each) => each.last_reply).find(Boolean);

const COLUMNS = [
  {
    title: "Message",
    class: "main",
    cell: (each) => [
      link(["queue", each.id], outside(each.id, { class: "code" })),
      el("p", { class: "below" }, size(each.size), ", ", time(each.received_at, { relative: true })),
    ],
  },
  { title: "From", class: "who", cell: (each) => (each.from ? outside(each.from) : quiet("a report, from nobody")) },
  { title: "To", class: "who", cell: recipients },
  {
    title: "Last words",
    class: "words",
    cell: (each) => (last_reply(each) ? outside(last_reply(each)) : quiet("no attempt yet")),
  },
  { title: "Next attempt", cell: next_attempt },
];

export async function queue(place) {
  const list = el("div"),
    foot = el("div", { class: "actions" });
  let rows = [],
    next = "";
  const load = async () => {
    const report = await command("queue list", [], { after: next });
    rows = rows.concat(report.result);
    next = report.next || "";
    fill(list, table({ label: "Queue", columns: COLUMNS, rows, empty: "Nothing waits to be sent." }));
    fill(foot, next ? [button("Show more", load, { id: "more" }), quiet(`${number_text(rows.length)} shown`)] : null);
  };
  await load();
  const again = () => queue(place);
  fill(
    place,
    heading(
      "Queue",
      button("Refresh", again),
      rows.length ? button("Retry all now", () => retry_all(again), { kind: "", id: "retry-all" }) : null,
    ),
    el(
      "p",
      { class: "quiet" },
      "Mail on its way to other hosts. What cannot be sent is tried again by itself, less and less often, for some days.",
    ),
    list,
    foot,
  );
}

async function retry_all(again) {
  let messages = 0,
    after = "";
  do {
    // a long queue comes in pieces
    const report = await command("queue retry", [], { after });
    messages = report.result.messages; // so far
    after = report.next || "";
  } while (after);
  await again();
  tell(counted(messages, "message"), " will be tried now.");
}

export async function queued(place, [id]) {
  const message = await result("queue show", [id]);
  const again = () => queued(place, [id]);
  const on_its_way = message.finished_at === null || message.finished_at === undefined;
  fill(
    place,
    el("p", { class: "way" }, link(["queue"], "Queue")),
    heading(["Queued message ", outside(message.id, { class: "code" })]),
    el(
      "div",
      { class: "actions" },
      on_its_way && !message.held
        ? button("Retry now", () => act("retry", id, again, "It will be tried now."), { kind: "" })
        : null,
      on_its_way && !message.held
        ? button("Hold", () => act("hold", id, again, "It is held: nothing is sent until you release it."))
        : null,
      on_its_way && message.held
        ? button("Release", () => act("release", id, again, "It is tried again when its time comes."), { kind: "" })
        : null,
      el("a", { class: "button plain", href: href("trace", message.id) }, "Trace it"),
      button("Refresh", again),
      on_its_way ? button("Drop", () => drop(id, message, again), { kind: "danger" }) : null,
    ),
    facts([
      ["From", message.from ? outside(message.from) : quiet("a report, from nobody")],
      message.user ? ["Handed in by", outside(message.user)] : null,
      ["Received", time(message.received_at)],
      message.finished_at ? ["Finished", time(message.finished_at)] : null,
      message.held ? ["State", badge("held", "warning")] : null,
      moment(message.not_before) > moment(message.received_at) ? ["Wanted not before", time(message.not_before)] : null,
      message.deliver_by ? ["To be delivered by", time(message.deliver_by)] : null,
      message.priority ? ["Priority", String(message.priority)] : null,
      ["Size", size(message.size)],
      ["Message-ID", message_id(message.message_id)],
      ["Id", copyable(message.id, "the id")],
    ]),
    section(
      "Recipients and attempts",
      message.recipients.map((recipient) => attempts(recipient, message.held)),
    ),
  );
}

export function attempts(recipient, held) {
  const history = recipient.history;
  return el(
    "article",
    { class: "card" },
    el("h3", null, outside(recipient.address), " ", recipient_badge(recipient.state)),
    recipient.state === "waits" && !held
      ? el("p", { class: "quiet" }, "Next attempt ", time(recipient.next_attempt_at, { never: "soon" }))
      : null,
    history.length
      ? el(
          "ol",
          { class: "timeline" },
          history.map((attempt) =>
            el(
              "li",
              { class: STATES[attempt.outcome] },
              time(attempt.at, { seconds: true }),
              " ",
              attempt.host ? outside(attempt.host) : "here",
              ": ",
              outside(attempt.reply),
            ),
          ),
        )
      : el("p", { class: "quiet" }, "No attempt yet."),
  );
}

async function act(what, id, again, words) {
  await command("queue " + what, [id]);
  await again();
  tell(words);
}

async function drop(id, message, again) {
  const left = waiting(message);
  const done = await ask_first({
    title: "Drop this message?",
    intro: [
      "It is not sent to ",
      left.length ? outside(left[0].address) : "anybody",
      left.length > 1 ? ` and ${left.length - 1} more` : "",
      " any more, and nobody is told: its sender believes that it is on its way.",
    ],
    button: "Drop it",
    send: () => command("queue drop", [id]),
  });
  if (!done) return;
  await again();
  tell("It is dropped.");
}
