// All mailboxes: looking for one, adding one.

import { command } from "./api.js";
import { el, fill, href, new_id } from "./dom.js";
import { badge, bar, heading, link, outside, quiet, size, time } from "./parts.js";
import { button } from "./actions.js";
import { ask_form, password_field, show_once, text_field } from "./dialogs.js";
import { long_table } from "./lists.js";
import { counted, number_text, size_text } from "./text.js";

export function state_badge(mailbox) {
  if (!mailbox.enabled) return badge("disabled", "warning");
  if (mailbox.full) return badge("full", "problem");
  return mailbox.has_password ? badge("enabled", "ok") : badge("no password", "note");
}

export function quota(mailbox) {
  if (mailbox.quota === null) return quiet("none");
  const percent = (100 * mailbox.octets) / mailbox.quota;
  const words = `${Math.floor(percent)} % of ${size_text(mailbox.quota)}`;
  return el(
    "div",
    { class: "quota", title: `${number_text(mailbox.octets)} of ${number_text(mailbox.quota)} octets` },
    bar(percent, words),
    el("span", { class: "quiet nowrap" }, words, mailbox.quota_is_default ? " (default)" : ""),
  );
}

const COLUMNS = [
  { title: "Address", class: "main", cell: (each) => link(["mailboxes", each.address], outside(each.address)) },
  { title: "State", cell: state_badge },
  { title: "Messages", class: "number", cell: (each) => number_text(each.messages) },
  { title: "Size", class: "number", cell: (each) => size(each.octets) },
  { title: "Quota", cell: quota },
  { title: "Last login", cell: (each) => time(each.last_login_at) },
];

// What a server gave as the new password, wherever it stands.
export const new_password = (report) => report.password ?? report.result?.password;

async function add() {
  const done = await ask_form({
    title: "Add a mailbox",
    intro: "A domain is served as soon as a mailbox is in it.",
    fields: [text_field("address", "Address", { hint: "anna@example.org", inputmode: "email" }), password_field()],
    button: "Add",
    send: async ({ address, password }) => ({ report: await command("mailbox add", [address], { password }) }),
  });
  if (!done) return;
  const { report } = done.value;
  const { address } = report.result;
  const secret = new_password(report);
  const intro = ["The password of ", outside(address), ":"];
  if (secret && !(await show_once({ title: "The mailbox is ready", intro, secret }))) return;
  location.hash = href("mailboxes", address);
}

export async function mailboxes(place) {
  const all = (await command("mailbox list")).result;
  const list = long_table({
    label: "Mailboxes",
    columns: COLUMNS,
    rows: all,
    empty: "There is no mailbox yet. Add one: its domain is served from then on.",
  });
  const number = el("p", { class: "quiet", role: "status" });
  const id = new_id("search");
  const search = el("input", {
    type: "search",
    id,
    autocomplete: "off",
    spellcheck: "false",
    placeholder: "part of an address",
    oninput: draw,
  });

  function draw() {
    const wanted = search.value.trim().toLowerCase();
    const rows = all.filter((each) => each.address.toLowerCase().includes(wanted));
    list.show(rows, all.length ? "No address has this in it." : undefined);
    tell_number(rows.length, wanted);
  }

  function tell_number(found, wanted) {
    fill(number, wanted ? `${number_text(found)} of ${number_text(all.length)}` : counted(all.length, "mailbox", "mailboxes"));
  }

  tell_number(all.length, "");
  fill(
    place,
    heading("Mailboxes", button("Add a mailbox", add, { kind: "", id: "add-mailbox" })),
    el("div", { class: "search" }, el("label", { for: id, class: "unseen" }, "Search"), search, number),
    list.element,
  );
}
