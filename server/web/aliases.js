// Aliases, and the domains that mail is taken for.

import { command, result } from "./api.js";
import { el, fill } from "./dom.js";
import { badge, heading, link, outside, section } from "./parts.js";
import { button, tell } from "./actions.js";
import { area_field, ask_first, ask_form, text_field } from "./dialogs.js";
import { long_table } from "./lists.js";
import { number_text } from "./text.js";

export async function aliases(place) {
  const [all, domains] = await Promise.all([result("alias list"), result("domain list")]);
  const again = () => aliases(place);
  fill(
    place,
    heading(
      "Aliases and domains",
      button("Add an alias", () => add(again), { kind: "", id: "add-alias" }),
    ),
    section(
      "Aliases",
      el("p", { class: "quiet" }, "Mail to an alias goes to its targets: mailboxes here, or addresses of other hosts."),
      long_table({
        label: "Aliases",
        rows: all,
        empty: "There is no alias yet.",
        columns: [
          {
            title: "Alias",
            class: "main",
            cell: (each) => [outside(each.alias), " ", each.alias.startsWith("@") ? badge("catch-all", "note") : null],
          },
          {
            title: "Targets",
            cell: (each) =>
              el(
                "ul",
                { class: "bare" },
                each.targets.map((target) => el("li", null, outside(target))),
              ),
          },
          {
            title: "",
            class: "end",
            cell: (each) => [
              each.alias.startsWith("@") ? null : el("span", { class: "beside" }, link(["trace", each.alias], "Trace")),
              " ",
              button("Remove", () => remove(each.alias, again), { kind: "danger small" }),
            ],
          },
        ],
      }).element,
    ),
    section(
      "Domains",
      el(
        "p",
        { class: "quiet" },
        "A domain is served as soon as a mailbox or an alias is in it, and no longer when the last one goes.",
      ),
      long_table({
        label: "Domains",
        rows: domains,
        empty: "No domain is served yet: add a mailbox.",
        columns: [
          { title: "Domain", class: "main", cell: (each) => outside(each.domain) },
          { title: "Mailboxes", class: "number", cell: (each) => number_text(each.mailboxes) },
          { title: "Aliases", class: "number", cell: (each) => number_text(each.aliases) },
          { title: "", class: "end", cell: (each) => link(["dns", each.domain], "DNS records") },
        ],
      }).element,
    ),
  );
}

async function add(again) {
  const done = await ask_form({
    title: "Add an alias",
    fields: [
      text_field("alias", "Alias", {
        hint: "info@example.org; or @example.org, a catch-all, for what is for no other address of the domain.",
      }),
      area_field("targets", "Targets", { hint: "One address a line. Those of other hosts have the mail passed on to them." }),
    ],
    button: "Add",
    send: async ({ alias, targets }) => {
      // Not at commas and spaces: a quoted local part may have them.
      const each = targets
        .split("\n")
        .map((line) => line.trim())
        .filter(Boolean);
      if (!alias) throw new Error("Type the alias: an address, or @ and a domain.");
      if (!each.length) throw new Error("Type at least one target: where its mail is to go.");
      return command("alias add", [alias, ...each]);
    },
  });
  if (!done) return;
  await again();
  tell(outside(done.value.text.trim().replaceAll("\n", " ")));
}

async function remove(alias, again) {
  const done = await ask_first({
    title: "Remove this alias?",
    intro: [
      "Mail to ",
      outside(alias),
      alias.startsWith("@")
        ? " goes nowhere from then on: it is refused."
        : " is refused from then on, unless a catch-all takes it.",
    ],
    button: "Remove",
    send: () => command("alias remove", [alias]),
  });
  if (!done) return;
  await again();
  tell("The alias ", outside(alias), " is removed.");
}
