// Who is kept out for wrong logins, and by what the server proves who it is.

import { command, result } from "./api.js";
import { el, fill } from "./dom.js";
import { badge, facts, heading, later, message_box, outside, quiet, section, table, time } from "./parts.js";
import { button, copyable, tell } from "./actions.js";
import { ask_form, tick_field } from "./dialogs.js";
import { number_text } from "./text.js";

export async function access(place) {
  fill(place, heading("Access"), section("Bans", later(bans)), section("Certificate", later(certificate)));
}

async function bans(again) {
  const all = await result("ban list");
  return [
    el(
      "p",
      { class: "quiet" },
      "Networks from which too many wrong passwords came. They may not log in for a while; mail from them is still taken.",
    ),
    table({
      label: "Bans",
      rows: all,
      empty: "Nobody is banned.",
      columns: [
        { title: "Network", class: "main", cell: (each) => outside(each.network, { class: "code" }) },
        { title: "Since", cell: (each) => time(each.since) },
        { title: "Ends", cell: (each) => time(each.until, { relative: true }) },
        { title: "Wrong logins", class: "number", cell: (each) => number_text(each.wrong_logins) },
        { title: "Refused since", class: "number", cell: (each) => number_text(each.refused) },
        {
          title: "",
          class: "end",
          cell: (each) =>
            button(
              "Lift",
              async () => {
                await command("ban remove", [each.network]);
                await again();
                tell(outside(each.network), " may log in again.");
              },
              { kind: "plain small" },
            ),
        },
      ],
    }),
  ];
}

async function certificate(again) {
  const tls = await result("tls show");
  const { acme } = tls;
  const state = tls.expired
    ? badge("expired", "problem")
    : tls.self_signed
      ? badge("self-signed", "warning")
      : badge("valid", "ok");
  return [
    tls.self_signed
      ? message_box(
          "note",
          el(
            "p",
            null,
            "Mail programs ask once whether to trust it. The server can get one that others trust by itself: see [acme] in the configuration (mailstead.toml(5), or mailstead config default).",
          ),
        )
      : null,
    acme?.problem
      ? message_box(
          "bad",
          el("p", null, "It could not be renewed ", time(acme.failed_at), ": ", outside(acme.problem)),
          acme.advice ? el("p", null, outside(acme.advice)) : null,
        )
      : null,
    facts([
      ["State", state],
      ["Subject", outside(tls.subject)],
      ["Issuer", tls.self_signed ? quiet("itself") : outside(tls.issuer)],
      [
        "Names",
        el(
          "ul",
          { class: "bare" },
          tls.names.map((name) => el("li", null, outside(name))),
        ),
      ],
      ["Valid from", time(tls.not_before)],
      ["Valid until", [time(tls.not_after), " (", time(tls.not_after, { relative: true }), ")"]],
      ["SHA-256", copyable(tls.sha256, "the fingerprint")],
      ["File", outside(tls.certificate, { class: "code" })],
      acme ? ["Authority", outside(acme.directory)] : null,
      acme?.running
        ? ["Renewal", "is going on right now"]
        : acme
          ? ["Next renewal", time(acme.next_attempt_at, { never: "not known yet" })]
          : null,
      acme ? ["Last renewed", time(acme.renewed_at)] : null,
    ]),
    el("div", { class: "actions" }, acme ? button("Renew", () => renew(again)) : null, button("Refresh", again)),
  ];
}

async function renew(again) {
  const done = await ask_form({
    title: "Renew the certificate",
    intro: "The server renews it by itself in time. After a failure, this tries again at once.",
    fields: [tick_field("force", "Also if it is still good for long. Authorities limit how often they may be asked.")],
    button: "Renew",
    send: ({ force }) => command("tls renew", [], { flags: force ? ["force"] : [] }),
  });
  if (!done) return;
  await again();
  tell(outside(done.value.text.trim()));
}
