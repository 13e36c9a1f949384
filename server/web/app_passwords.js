// The app passwords of a mailbox: one for each device or program, so that it can be shut out by itself.

import { command, result } from "./api.js";
import { el, fill } from "./dom.js";
import { badge, outside, time } from "./parts.js";
import { button, tell } from "./actions.js";
import { long_table } from "./lists.js";
import { ask_first, ask_form, choice_field, show_once, text_field, tick_field } from "./dialogs.js";

function may_text(may) {
  return may.length === 2 ? "reading and sending" : may[0] === "read" ? "reading" : "sending";
}

export async function app_passwords(place, address) {
  const all = await result("app-password list", [address]);
  const again = () => app_passwords(place, address);
  fill(
    place,
    el(
      "p",
      null,
      "A device or program can have a password of its own. If it is lost, it is shut out by itself, and the others go on.",
    ),
    el(
      "div",
      { class: "actions" },
      button("Add an app password", () => add(address, again), { kind: "", id: "add-app-password" }),
    ),
    long_table({
      label: "App passwords",
      rows: all,
      empty: "There are none yet.",
      columns: [
        { title: "Name", class: "main", cell: (each) => outside(each.name) },
        { title: "For", cell: (each) => may_text(each.may) },
        { title: "APOP", cell: (each) => (each.apop_lost ? badge("lost: add it again", "warning") : each.apop ? "yes" : "no") },
        { title: "Made", cell: (each) => time(each.created_at) },
        { title: "Last used", cell: (each) => time(each.last_used_at) },
        {
          title: "",
          class: "end",
          cell: (each) => button("Revoke", () => revoke(address, each.name, again), { kind: "danger small" }),
        },
      ],
    }).element,
  );
}

async function add(address, again) {
  const done = await ask_form({
    title: "Add an app password",
    intro: ["For a device or program that uses ", outside(address), "."],
    fields: [
      text_field("name", "Name", { hint: "What you will know it by: “Anna's phone”." }),
      choice_field("scope", "It may be used for", [
        ["both", "reading and sending"],
        ["read", "reading only (POP3)"],
        ["send", "sending only (SMTP)"],
      ]),
      tick_field("apop", "Also by APOP, for an old mail program. The server then keeps it so that it can read it."),
    ],
    button: "Add",
    send: async ({ name, scope, apop }) => {
      if (!name) throw new Error("Give it a name, so that you know later what to revoke.");
      const flags = [...(scope === "both" ? [] : ["only=" + scope]), ...(apop ? ["apop"] : [])];
      return result("app-password add", [address, name], { flags });
    },
  });
  if (!done) return;
  const { name, password } = done.value;
  const intro = ["For ", outside(name), ", with ", outside(address), " as the user name:"];
  if (!(await show_once({ title: "The app password", intro, secret: password }))) return;
  await again();
  tell("The app password ", outside(name), " is added.");
}

async function revoke(address, name, again) {
  const done = await ask_first({
    title: "Revoke this app password?",
    intro: [outside(name), " is shut out of ", outside(address), " at once, and its sessions end."],
    button: "Revoke",
    send: () => command("app-password revoke", [address, name]),
  });
  if (!done) return;
  await again();
  tell("The app password ", outside(name), " is revoked.");
}
