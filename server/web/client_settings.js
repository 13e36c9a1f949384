// How a mail program is set up for a mailbox.

import { result } from "./api.js";
import { el, fill, href } from "./dom.js";
import { facts, outside, quiet, section } from "./parts.js";
import { copyable } from "./actions.js";

function ways(host, ports, what) {
  const rows = [];
  if (ports.tls_port) rows.push([`Port, SSL/TLS`, copyable(String(ports.tls_port), `the port of ${what} with SSL/TLS`)]);
  if (ports.starttls_port)
    rows.push([
      rows.length ? "Or port, STARTTLS" : "Port, STARTTLS",
      copyable(String(ports.starttls_port), `the port of ${what} with STARTTLS`),
    ]);
  if (!rows.length) return el("p", { class: "quiet" }, "Nothing listens for this: see [listen] in the configuration.");
  return facts([["Server", copyable(host, `the server of ${what}`)], ...rows]);
}

function download(profile) {
  const url = URL.createObjectURL(new Blob([profile], { type: "application/x-apple-aspen-config" }));
  const anchor = el("a", { href: url, download: "mail.mobileconfig" });
  anchor.click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}

export async function client_settings(place, address) {
  const card = await result("client-card", [address]);
  fill(
    place,
    el(
      "div",
      { class: "columns" },
      section(
        "Log in",
        facts([
          ["User name", copyable(card.address, "the user name")],
          [
            "Password",
            ["the mailbox's, or better ", el("a", { href: href("mailboxes", address, "app-passwords") }, "one for each device")],
          ],
        ]),
      ),
      section("Incoming mail, POP3", ways(card.host, card.pop3, "incoming mail")),
      section("Outgoing mail, SMTP", ways(card.host, card.submission, "outgoing mail")),
    ),
    card.certificate_self_signed
      ? section(
          "Certificate",
          el(
            "p",
            null,
            "It is self-signed: programs ask once whether to trust it. It is the right one when they show this SHA-256 fingerprint:",
          ),
          el("p", null, copyable(card.certificate_sha256, "the fingerprint")),
        )
      : null,
    section(
      "Program by program",
      facts([
        [
          "Thunderbird",
          "New account, then name, address and password. If it does not find the rest, “Configure manually” and the above.",
        ],
        ["Outlook", "Add account, advanced options, set up manually, POP; then the above."],
        [
          "iPhone, iPad, Mac",
          [
            el("p", null, "A profile sets up Mail by itself. Send it to the device, and open it there."),
            el("button", { type: "button", class: "plain", onclick: () => download(card.apple_profile) }, "Save the profile"),
          ],
        ],
        ["Others", "The above. “Leave messages on the server”, where several devices fetch them."],
      ]),
    ),
    card.host.includes(".")
      ? null
      : el(
          "p",
          null,
          quiet("The server's name, "),
          outside(card.host),
          quiet(", is known on this machine only. Others need its full name."),
        ),
  );
}
