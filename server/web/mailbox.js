// One mailbox: what it is, and what can be done with it. Its app passwords, settings and messages are parts with files of their own.

import { command, command_in_parts, result } from "./api.js";
import { el, fill, href } from "./dom.js";
import { facts, heading, link, message_box, outside, quiet, section, size, table, tabs, time } from "./parts.js";
import { button, tell, tell_there } from "./actions.js";
import { ask_first, ask_form, password_field, show_once, text_field, tick_field } from "./dialogs.js";
import { counted, number_text, size_text } from "./text.js";
import { new_password, quota, state_badge } from "./mailboxes.js";
import { app_passwords } from "./app_passwords.js";
import { client_settings } from "./client_settings.js";
import { deleted_messages, messages } from "./messages.js";

const PARTS = {
  "app-passwords": ["App passwords", app_passwords],
  settings: ["Mail program", client_settings],
  messages: ["Messages", messages],
  deleted: ["Deleted mail", deleted_messages],
};

export async function mailbox(place, [address, part], life) {
  const title = part && Object.hasOwn(PARTS, part) ? PARTS[part][0] : "Mailbox";
  const beside = tabs(
    "Parts of this mailbox",
    [["Mailbox", "mailboxes", address], ...Object.entries(PARTS).map(([word, [name]]) => [name, "mailboxes", address, word])],
    title,
  );
  const body = el("div");
  const show = title === "Mailbox" ? summary : PARTS[part][1];
  await show(body, address, life);
  fill(place, el("p", { class: "way" }, link(["mailboxes"], "Mailboxes")), heading(outside(address)), beside, body);
}

async function summary(place, address) {
  const facts_now = await result("mailbox show", [address]);
  const again = () => summary(place, address);
  fill(
    place,
    facts_now.full
      ? message_box(
          "bad",
          el("p", null, "This mailbox is full: mail for it is asked to come later. Give it more room, or have mail deleted."),
        )
      : null,
    facts_now.enabled
      ? null
      : message_box("note", el("p", null, "This mailbox is disabled: it takes no mail, and lets nobody log in.")),
    facts([
      ["State", state_badge(facts_now)],
      ["Messages", [number_text(facts_now.messages), " (", size(facts_now.octets), ")"]],
      ["Quota", quota(facts_now)],
      [
        "Deleted, kept",
        [
          link(["mailboxes", address, "deleted"], counted(facts_now.deleted_messages, "message")),
          " (",
          size(facts_now.deleted_octets),
          ")",
        ],
      ],
      ["Aliases", facts_now.aliases.length ? facts_now.aliases.map((name, i) => [i ? ", " : "", outside(name)]) : quiet("none")],
      ["Made", time(facts_now.created_at)],
      ["Last delivery", time(facts_now.last_delivery_at)],
      ["Last login", time(facts_now.last_login_at)],
    ]),
    el(
      "div",
      { class: "actions" },
      button("Change the password", () => change_password(address, again)),
      button("Set the quota", () => set_quota(address, facts_now, again)),
      facts_now.enabled
        ? button("Disable", () => disable(address, again))
        : button("Enable", () => enable(address, again), { kind: "" }),
      el("a", { class: "button plain", href: href("trace", address) }, "Trace its mail"),
      button("Remove", () => remove(address, facts_now), { kind: "danger" }),
    ),
    section(
      "Devices",
      el("p", { class: "quiet" }, "Mail programs that have fetched mail from here."),
      table({
        label: "Devices",
        rows: facts_now.devices,
        empty: "Nobody has fetched mail yet.",
        columns: [
          { title: "Device", class: "main", cell: (each) => outside(each.name) },
          { title: "First seen", cell: (each) => time(each.first_seen_at) },
          { title: "Last seen", cell: (each) => time(each.last_seen_at) },
          { title: "Messages taken", class: "number", cell: (each) => number_text(each.messages_taken) },
        ],
      }),
    ),
  );
}

async function change_password(address, again) {
  const done = await ask_form({
    title: "Change the password",
    intro: [
      "Of ",
      outside(address),
      ". Mail programs that have the old one cannot log in until they have the new one. App passwords stay.",
    ],
    fields: [password_field()],
    button: "Change it",
    send: ({ password }) => command("mailbox password", [address], { password }),
  });
  if (!done) return;
  const secret = new_password(done.value);
  const intro = ["The password of ", outside(address), ":"];
  if (secret && !(await show_once({ title: "The new password", intro, secret }))) return;
  await again();
  tell(outside(address), " has a new password.");
}

async function set_quota(address, now, again) {
  const value = now.quota_is_default ? "default" : now.quota === null ? "none" : `${now.quota}`;
  const done = await ask_form({
    title: "Set the quota",
    intro: ["How much ", outside(address), ` may hold. It holds ${size_text(now.octets)} now.`],
    fields: [
      text_field("size", "Size", {
        value: /^\d+$/.test(value) ? exact_size(now.quota) : value,
        hint: "Such as 2GiB or 500MiB; “none”: any number of messages; “default”: what the configuration says.",
      }),
    ],
    button: "Set it",
    send: async ({ size: wanted }) => {
      if (!wanted) throw new Error("Type a size, “none” or “default”.");
      return command("mailbox quota", [address, wanted]);
    },
  });
  if (!done) return;
  await again();
  tell(outside(done.value.text.trim()));
}

// What can be typed again without losing an octet.
function exact_size(octets) {
  for (const [unit, factor] of [
    ["GiB", 2 ** 30],
    ["MiB", 2 ** 20],
    ["KiB", 2 ** 10],
  ]) {
    if (octets % factor === 0) return octets / factor + unit;
  }
  return String(octets);
}

async function disable(address, again) {
  const done = await ask_first({
    title: "Disable this mailbox?",
    intro: [outside(address), " then takes no mail, and lets nobody log in, until you enable it. Its mail stays."],
    button: "Disable",
    send: () => command("mailbox disable", [address]),
  });
  if (!done) return;
  await again();
  tell(outside(address), " is disabled.");
}

async function enable(address, again) {
  await command("mailbox enable", [address]);
  await again();
  tell(outside(address), " is enabled.");
}

async function remove(address, now) {
  const done = await ask_form({
    title: "Remove this mailbox?",
    kind: "danger",
    intro: [
      "Mail for ",
      outside(address),
      " is refused from then on. It holds ",
      counted(now.messages, "message"),
      ` (${size_text(now.octets)}). What is kept of it comes back when the address is added again, also for another person.`,
    ],
    fields: [text_field("typed", "To be sure, type its address"), tick_field("keep", "Keep its messages on the disk")],
    button: "Remove it",
    send: async ({ typed, keep }) => {
      if (typed.toLowerCase() !== address.toLowerCase()) throw new Error("This is not its address. Nothing was removed.");
      return command_in_parts("mailbox remove", [address], { flags: keep ? ["keep-mail"] : [] });
    },
  });
  if (!done) return;
  tell_there(outside(done.value.text.trim()));
  location.hash = href("mailboxes");
}
