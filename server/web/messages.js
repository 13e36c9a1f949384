// The messages of a mailbox, those that were deleted and can be restored, and one of them.

import { command, command_in_parts, result } from "./api.js";
import { el, fill, href } from "./dom.js";
import {
  badge,
  brief,
  facts,
  heading,
  link,
  is_long,
  message_id,
  outside,
  quiet,
  refusal,
  section,
  size,
  table,
  table_row,
  time,
} from "./parts.js";
import { button, copyable, tell } from "./actions.js";
import { ask_first } from "./dialogs.js";
import { counted, number_text } from "./text.js";

const PAGE = 50; // rows

const STATES = {
  present: ["in the mailbox", "ok"],
  missing: ["its file is missing", "problem"],
  deleted: ["deleted", "warning"],
  gone: ["deleted for good", "note"],
};

export const standing = (state) => badge(...(STATES[state] || [state, "note"]));

// Newest first, as the server tells them: a page at a time, older ones when they are asked for.
async function pages(place, address, flags, columns, empty) {
  const foot = el("div", { class: "actions" });
  let next = "",
    shown = 0,
    body = null;
  const load = async () => {
    const report = await command("message list", [address], { flags: [...flags, `newest=${PAGE}`], after: next });
    const list = report.result;
    next = report.next || "";
    const rows = body ? list.map((row) => table_row(columns, row)) : [];
    if (body) {
      body.append(...rows);
    } else {
      fill(place, table({ label: "Messages", columns, rows: list, empty }), foot);
      body = place.querySelector("tbody");
    }
    shown += list.length;
    fill(foot, next ? [button("Show older ones", load), quiet(`${number_text(shown)} are shown`)] : null);
    rows[0]?.querySelector("a")?.focus();
  };
  await load();
}

const subject_link = (address, each) =>
  link(
    ["message", address, each.uidl],
    brief(each.subject, each.subject === null && each.from === null ? "(not read: an older one)" : undefined),
  );

export async function messages(place, address) {
  const list = el("div");
  await pages(
    list,
    address,
    [],
    [
      { title: "Subject", class: "main", cell: (each) => subject_link(address, each) },
      { title: "From", class: "who", cell: (each) => brief(each.from, "not told") },
      { title: "Received", cell: (each) => time(each.received_at) },
      { title: "Size", class: "number", cell: (each) => size(each.octets) },
    ],
    "No message is in this mailbox.",
  );
  fill(place, list);
}

export async function deleted_messages(place, address) {
  const list = el("div");
  const again = () => deleted_messages(place, address);
  const [{ deleted_messages: number }] = await Promise.all([
    result("mailbox show", [address]),
    pages(
      list,
      address,
      ["deleted"],
      [
        { title: "Subject", class: "main", cell: (each) => subject_link(address, each) },
        { title: "From", class: "who", cell: (each) => brief(each.from, "not told") },
        {
          title: "Deleted",
          class: "by",
          cell: (each) => [
            time(each.deleted_at, { relative: true }),
            el("p", { class: "below" }, "by ", each.deleted_by ? outside(each.deleted_by) : "somebody (not noted)"),
          ],
        },
        { title: "Kept until", cell: (each) => time(each.restorable_until, { relative: true }) },
        {
          title: "",
          class: "end",
          cell: (each) => button("Restore", () => restore(address, [each.uidl], [], again), { kind: "plain small" }),
        },
      ],
      "No deleted message can be restored.",
    ),
  ]);
  fill(
    place,
    el(
      "p",
      null,
      "What mail programs deleted is kept for some days, unless the disk runs low. Restored mail comes back in its old place.",
    ),
    number === 0
      ? null
      : el(
          "div",
          { class: "actions" },
          button("Restore what was deleted last", () => restore(address, [], ["last"], again), {
            title: "All that one mail program deleted in its last session",
          }),
          button("Restore all", () => restore_all(address, number, again)),
        ),
    list,
  );
}

async function restore(address, uidls, flags, again) {
  const report = await command_in_parts("message restore", [address, ...uidls], { flags });
  await again();
  tell(outside(report.text.trim()));
}

async function restore_all(address, number, again) {
  let report;
  const done = await ask_first({
    title: "Restore all?",
    kind: "",
    intro: [
      "All ",
      counted(number, "deleted message"),
      " of ",
      outside(address),
      " come back. Mail programs may fetch them again.",
    ],
    button: "Restore all",
    send: async () => {
      report = await command_in_parts("message restore", [address], { flags: ["all"] });
    },
  });
  if (!done) return;
  await again();
  tell(outside(report.text.trim()));
}

const EVENTS = { fetched: "fetched", deleted: "deleted", restored: "restored" };

export function events(told) {
  return el(
    "ol",
    { class: "timeline" },
    told.map((event) =>
      el(
        "li",
        { class: event.what === "deleted" ? "warning" : "ok" },
        time(event.at, { seconds: true }),
        " ",
        EVENTS[event.what] || outside(event.what),
        event.device ? [" by ", outside(event.device)] : null,
        event.last_at && event.last_at !== event.at ? [", the last time ", time(event.last_at)] : null,
      ),
    ),
  );
}

export async function message(place, [address, uidl]) {
  if (!uidl) {
    const words =
      "This address lacks what a message is found by, its mailbox and its UIDL. Open the message from the list of its mailbox.";
    fill(place, heading("Message"), refusal(new Error(words)), el("p", null, link(["mailboxes"], "Mailboxes")));
    return;
  }
  const told = await result("message show", [address, uidl]);
  const again = () => message(place, [address, uidl]);
  fill(
    place,
    el(
      "p",
      { class: "way" },
      link(["mailboxes"], "Mailboxes"),
      " › ",
      link(["mailboxes", address], outside(address)),
      " › ",
      link(
        ["mailboxes", address, told.state === "deleted" ? "deleted" : "messages"],
        told.state === "deleted" ? "Deleted mail" : "Messages",
      ),
    ),
    heading(brief(told.subject)),
    facts([
      is_long(told.subject) ? ["Subject", outside(told.subject)] : null,
      ["From", told.from ? outside(told.from) : quiet("not told")],
      ["State", standing(told.state)],
      ["Received", time(told.received_at)],
      told.deleted_at ? ["Deleted", [time(told.deleted_at), told.deleted_by ? [" by ", outside(told.deleted_by)] : null]] : null,
      told.restorable_until ? ["Kept until", time(told.restorable_until)] : null,
      ["Size", size(told.octets)],
      ["Message-ID", message_id(told.message_id)],
      ["UIDL and queue id", copyable(told.uidl, "the UIDL")],
      told.checks?.length
        ? [
            "Checks",
            el(
              "ul",
              { class: "bare" },
              told.checks.map((check) => el("li", null, outside(check, { class: "code" }))),
            ),
          ]
        : null,
    ]),
    el(
      "div",
      { class: "actions" },
      el("a", { class: "button plain", href: href("trace", told.uidl) }, "Trace it"),
      told.state === "deleted" ? button("Restore", () => restore(address, [uidl], [], again), { kind: "" }) : null,
    ),
    section(
      "What happened to it",
      told.events?.length ? events(told.events) : el("p", { class: "quiet" }, "Nobody has fetched it yet."),
    ),
  );
}
