// How the server is, at a glance, and the traffic of the last hour, day or week. Looks again every ten seconds while somebody looks.

import { look_state, result } from "./api.js";
import { el, fill, renew } from "./dom.js";
import { facts, heading, link, outside, quiet, section, size, table, time } from "./parts.js";
import { counted, moment, now, number_text, relative_text, span_text, visible } from "./text.js";
import { first_steps, wants_first_steps } from "./first_steps.js";
import { traffic } from "./traffic.js";

const EVERY = 10_000; // ms
const DAY = 86_400; // s

const days_until = (at) => (moment(at) - now()) / 1000 / DAY;

// [kind, sentence, …]: what somebody should look at.
function warnings(status, tls) {
  const found = [];
  const say = (kind, ...words) => found.push(el("li", { class: kind }, words));
  if (!status.takes_mail)
    say(
      "problem",
      "Mail is asked to come later. ",
      outside(status.takes_no_mail_because || "The disk is too full"),
      ". The disk is that of ",
      outside(status.data),
      ".",
    );
  if (status.full_mailboxes > 0)
    say(
      "warning",
      counted(status.full_mailboxes, "mailbox is", "mailboxes are"),
      " full: mail for ",
      status.full_mailboxes === 1 ? "it" : "them",
      " is asked to come later. ",
      link(["mailboxes"], "Give more room"),
      ", or have mail deleted.",
    );
  for (const [gateway, connections] of Object.entries(status.hidden_connections || {}))
    say(
      "warning",
      counted(connections, "connection"),
      " came from ",
      outside(gateway),
      ", which hides who it was: limits and bans cannot tell clients apart. The doctor says what to do.",
    );
  if (status.backup_failed_at)
    say(
      "problem",
      "The backup of ",
      time(status.backup_failed_at),
      " failed: ",
      outside(status.backup_failure || ""),
      ". Run 'mailstead backup' by hand to see it.",
    );
  else if (!status.last_backup_at) say("warning", "There was never a backup. 'mailstead help backup' says how to make one.");
  else if (days_until(status.last_backup_at) < -8)
    say(
      "warning",
      "The last backup was made ",
      time(status.last_backup_at, { relative: true }),
      ". See whether the nightly one still runs.",
    );
  if (status.acme?.problem)
    say(
      "warning",
      "The certificate could not be renewed: ",
      outside(status.acme.problem),
      ". ",
      outside(status.acme.advice || ""),
      " ",
      link(["access"], "See the certificate"),
    );
  if (status.certificate_problem)
    say(
      "problem",
      "A new certificate cannot be used, and the server goes on with the one it had: ",
      outside(status.certificate_problem),
      ". It would not start again with what is there now. ",
      link(["access"], "See the certificate"),
    );
  if (status.certificate_expires_at ? days_until(status.certificate_expires_at) < 0 : tls?.expired)
    say("problem", "The certificate has expired: mail programs refuse it. ", link(["access"], "See the certificate"));
  else if (status.certificate_expires_at && days_until(status.certificate_expires_at) < 14)
    say(
      "warning",
      "The certificate ends ",
      time(status.certificate_expires_at, { relative: true }),
      ". ",
      link(["access"], "See the certificate"),
    );
  return found;
}

function certificate_words(status, tls) {
  if (!tls) return ["none yet", null];
  return [tls.self_signed ? "self-signed" : outside(tls.issuer), ["until ", time(tls.not_after)]];
}

const figure = (name, value, below) =>
  el(
    "div",
    { class: "figure" },
    el("dt", null, name),
    el("dd", { class: "value" }, value),
    below ? el("dd", { class: "quiet" }, below) : null,
  );

function figures(status, tls) {
  const started = moment(status.started_at);
  const waits = status.recipients_waiting;
  return el(
    "dl",
    { class: "figures" },
    figure("Running", el("span", { title: status.started_at }, span_text((now() - started) / 1000)), [
      "version ",
      outside(status.version),
      ", since ",
      time(status.started_at),
    ]),
    figure("Mailboxes", link(["mailboxes"], number_text(status.mailboxes)), counted(status.aliases, "alias", "aliases")),
    figure("Mail on its way out", link(["queue"], number_text(waits)), waits === 1 ? "recipient waits" : "recipients wait"),
    figure("Free space", size(status.free_octets), "on the data folder's disk"),
    figure(
      "Last backup",
      status.last_backup_at
        ? el("span", { title: status.last_backup_at }, relative_text(moment(status.last_backup_at)))
        : "never",
      status.last_backup_at ? time(status.last_backup_at) : null,
    ),
    figure("Certificate", ...certificate_words(status, tls)),
  );
}

function more(status) {
  return facts([
    ["Data folder", outside(status.data)],
    ["Process", String(status.pid)],
    ["Messages accepted", number_text(status.messages_accepted)],
    ["Messages refused", number_text(status.messages_refused)],
    ["Messages retrieved", number_text(status.messages_retrieved)],
    [
      "To other hosts",
      [
        `${number_text(status.recipients_sent)} sent, ${number_text(status.recipients_failed)} failed, ${number_text(status.recipients_waiting)} waiting`,
      ],
    ],
    ["Logins", `${number_text(status.logins)}, ${number_text(status.failed_logins)} failed`],
    ["Banned", status.bans ? link(["access"], counted(status.bans, "network")) : "nobody"],
    ["Deleted, kept", [counted(status.deleted_messages, "message"), " (", size(status.deleted_octets), ")"]],
  ]);
}

function lead(status, found) {
  const worst = found.some((item) => item.classList.contains("problem")) ? "problem" : found.length ? "warning" : "ok";
  const words = {
    ok: "The server runs, and nothing needs your attention.",
    warning:
      found.length === 1
        ? "The server runs. One thing needs your attention:"
        : `The server runs. ${found.length} things need your attention:`,
    problem: "The server runs, but not as it should:",
  }[worst];
  return el("div", { class: `lead ${worst}`, id: "lead" }, el("p", null, words), found.length ? el("ul", null, found) : null);
}

// Of the last time it looked; null when it has not.
async function doctor_found(poll) {
  const told = await look_state({ look: "doctor" }, { poll }).catch(() => null);
  return told?.report?.result ?? null;
}

export async function overview(place, _, life) {
  const top = el("div");
  const listeners = el("div");
  const counters = el("div");
  const charts = traffic();

  let tls = null;
  let tls_ends;

  async function look(poll = false) {
    const status = await result("status", [], { poll });
    if (tls_ends !== status.certificate_expires_at) {
      tls = await result("tls show", [], { poll }).catch(() => null);
      tls_ends = status.certificate_expires_at;
    }
    const steps = wants_first_steps(status) ? first_steps(status, await doctor_found(poll)) : null;
    renew(top, lead(status, warnings(status, tls)), steps, figures(status, tls));
    renew(
      listeners,
      table({
        label: "Listeners",
        rows: status.listeners,
        empty: "Nothing listens: see [listen] in the configuration.",
        columns: [
          { title: "Service", class: "main", cell: (each) => outside(each.service) },
          { title: "Address", cell: (each) => outside(each.address, { class: "code" }) },
          { title: "Connections now", class: "number", cell: (each) => number_text(each.connections) },
        ],
      }),
    );
    renew(counters, more(status));
    return status;
  }

  const trouble = el("p", { class: "quiet", role: "status" });
  const status = await look();
  fill(
    place,
    heading("Overview", quiet(visible(status.hostname))),
    trouble,
    top,
    charts.element,
    section("Listeners", listeners),
    section("Since the start", counters),
  );
  await charts.look(false);
  if (life.aborted) return;

  let looking = false;
  const look_again = async () => {
    if (document.hidden || looking) return;
    looking = true;
    try {
      await Promise.all([look(true), charts.look(true)]);
      fill(trouble);
    } catch (error) {
      fill(trouble, "What you see is of before: ", outside(error.message));
    }
    looking = false;
  };
  const timer = setInterval(look_again, EVERY);
  life.addEventListener("abort", () => clearInterval(timer));
  document.addEventListener("visibilitychange", look_again, { signal: life });
}
