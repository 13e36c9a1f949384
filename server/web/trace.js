// What the server knows of an address or a message: `why`, laid out as a story.

import { command } from "./api.js";
import { el, fill, href, new_id } from "./dom.js";
import {
  badge,
  brief,
  facts,
  heading,
  link,
  message_id,
  outside,
  outside_lines,
  quiet,
  refusal,
  section,
  size,
  table,
  time,
  waiting,
} from "./parts.js";
import { while_disabled } from "./actions.js";
import { attempts } from "./queue.js";
import { events, standing } from "./messages.js";
import { quota, state_badge } from "./mailboxes.js";
import { number_text } from "./text.js";

// Events of the timeline: their colour.
const KINDS = {
  stored: "ok",
  fetched: "ok",
  delivered: "ok",
  restored: "ok",
  queued: "note",
  waits: "note",
  retried: "note",
  released: "note",
  held: "warning",
  deleted: "warning",
  dropped: "warning",
  reported: "warning",
  failed: "problem",
  refused: "problem",
};

export async function trace(place, words) {
  const asked = words[0] || "";
  const answer = el("div");
  const id = new_id("asked");
  const input = el("input", {
    id,
    type: "text",
    autocomplete: "off",
    autocapitalize: "off",
    spellcheck: "false",
    "aria-describedby": id + "-hint",
  });
  input.value = asked;
  const submit = el("button", { type: "submit" }, "Trace");
  const form = el(
    "form",
    {
      class: "ask",
      onsubmit: (event) => {
        event.preventDefault();
        const wanted = input.value.trim();
        if (!wanted) return input.focus();
        if (wanted !== asked) location.hash = href("trace", wanted);
        else while_disabled(submit, look);
      },
    },
    el("label", { for: id }, "An address, or a message's id"),
    el("div", { class: "row" }, input, submit),
    el(
      "p",
      { class: "hint", id: id + "-hint" },
      "anna@example.org; or a queue id, a UIDL, or the Message-ID of a message's header, such as <1234@example.org>.",
    ),
  );

  async function look() {
    fill(answer, waiting());
    try {
      fill(answer, story(await command("why", [asked])));
    } catch (error) {
      fill(answer, refusal(error));
    }
  }

  fill(
    place,
    heading("Trace"),
    el("p", { class: "quiet" }, "Where is a message, and what happened to it? Why does an address get no mail?"),
    form,
    answer,
  );
  if (asked) await look();
}

function story(report) {
  const told = report.result;
  return [
    el("h2", { class: "asked" }, outside(told.asked)),
    told.says ? el("p", { class: "lead-line" }, outside(told.says)) : null,
    told.advice?.length
      ? section(
          "What to do",
          el(
            "ul",
            { class: "advice" },
            told.advice.map((line) => el("li", null, outside(line))),
          ),
        )
      : null,
    told.timeline?.length
      ? section(
          "What happened",
          el(
            "ol",
            { class: "timeline" },
            told.timeline.map((event) =>
              el(
                "li",
                { class: KINDS[event.what] || "note" },
                time(event.at, { seconds: true }),
                " ",
                badge(KINDS[event.what] ? event.what : "event", KINDS[event.what]),
                " ",
                outside(event.says),
              ),
            ),
          ),
        )
      : null,
    told.copies?.length ? section("Where it is now", told.copies.map(copy)) : null,
    (told.mailboxes || []).map(mailbox),
    told.queue?.length
      ? section(told.says ? "Its newest mail to other hosts" : "On its way to other hosts", told.queue.map(queued))
      : null,
    told.received?.length ? section("Mail from it that was received", received(told.received)) : null,
    told.refused?.length ? section("Refused mail", refused(told.refused)) : null,
    el(
      "details",
      { class: "plain-text" },
      el("summary", null, "The same in words, as the command line tells it"),
      outside_lines(report.text.trim()),
    ),
  ];
}

function copy(each) {
  return el(
    "article",
    { class: "card" },
    el("h3", null, link(["message", each.address, each.uidl], brief(each.subject, each.uidl)), " ", standing(each.state)),
    facts([
      ["In the mailbox", link(["mailboxes", each.address], outside(each.address))],
      ["From", each.from ? outside(each.from) : quiet("not told")],
      ["Message-ID", message_id(each.message_id)],
      ["Size", size(each.octets)],
      each.checks?.length
        ? [
            "Checks",
            el(
              "ul",
              { class: "bare" },
              each.checks.map((check) => el("li", null, outside(check, { class: "code" }))),
            ),
          ]
        : null,
      each.restorable_until ? ["Kept until", time(each.restorable_until)] : null,
    ]),
    each.events?.length ? events(each.events) : null,
  );
}

function mailbox(each) {
  return section(
    ["Mailbox ", link(["mailboxes", each.address], outside(each.address))],
    facts([
      ["State", state_badge(each)],
      ["Messages", [number_text(each.messages), " (", size(each.octets), ")"]],
      ["Quota", quota(each)],
      ["Last delivery", time(each.last_delivery_at)],
      ["Last login", time(each.last_login_at)],
      each.devices?.length
        ? [
            "Devices",
            el(
              "ul",
              { class: "bare" },
              each.devices.map((device) =>
                el("li", null, outside(device.name), quiet(", last seen "), time(device.last_seen_at)),
              ),
            ),
          ]
        : null,
    ]),
    each.received?.length ? [el("h3", null, "Its newest mail"), received(each.received)] : null,
  );
}

function received(messages) {
  return table({
    label: "Received mail",
    rows: messages,
    columns: [
      { title: "Subject", class: "main", cell: (each) => link(["message", each.address, each.uidl], brief(each.subject)) },
      { title: "From", class: "who", cell: (each) => brief(each.from, "not told") },
      { title: "Received", cell: (each) => time(each.received_at) },
      { title: "State", cell: (each) => standing(each.state) },
      { title: "", class: "end", cell: (each) => link(["trace", each.uidl], "Trace") },
    ],
  });
}

function queued(message) {
  return el(
    "div",
    { class: "group" },
    el(
      "p",
      null,
      link(["queue", message.id], outside(message.id, { class: "code" })),
      " from ",
      message.from ? outside(message.from) : "nobody (a report)",
      ", received ",
      time(message.received_at),
      message.held ? [" ", badge("held", "warning")] : null,
    ),
    message.recipients.map((recipient) => attempts(recipient, message.held)),
  );
}

function refused(list) {
  return table({
    label: "Refused mail",
    rows: list,
    columns: [
      { title: "When", cell: (each) => time(each.at) },
      { title: "Reply", class: "main words", cell: (each) => outside(each.reply) },
      { title: "Client", cell: (each) => [outside(each.peer), " ", quiet("(", outside(each.helo), ")")] },
      { title: "From", cell: (each) => (each.from ? outside(each.from) : quiet("nobody")) },
      {
        title: "To",
        cell: (each) =>
          el(
            "ul",
            { class: "bare" },
            each.to.map((to) => el("li", null, outside(to))),
          ),
      },
    ],
  });
}
