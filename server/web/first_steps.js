// What to do with a server that is new, in order, on the overview until somebody uses it.

import { el } from "./dom.js";
import { badge, link } from "./parts.js";

// `found`: what the doctor found when it looked last, in this run of the server; null when it did not.
const steps = (status, found) => [
  [status.mailboxes > 0, ["mailboxes"], "Add a mailbox", "Its domain is served from then on."],
  [published(found), ["dns"], "Publish the DNS records", "Other hosts find the server by them, and believe its mail."],
  [
    status.logins > 0,
    ["mailboxes"],
    "Set up a mail program",
    "Each mailbox has a part “Mail program”, with all that is to be typed.",
  ],
  [Boolean(found) && !found.problems, ["doctor"], "Have the doctor look", "It tells what is not yet as mail needs it."],
  [
    Boolean(status.last_backup_at),
    null,
    "Make a backup",
    "On the command line: 'mailstead help backup' says how, and how to have one made each night.",
  ],
];

// Has each domain its records? (What had no answer is not "ok".)
function published(found) {
  const those = found ? found.findings.filter((each) => each.check === "dns-records" && each.state !== "note") : [];
  return those.length > 0 && those.every((each) => each.state === "ok");
}

// Not once there is a mailbox that somebody uses, or that is in a backup.
export const wants_first_steps = (status) => !(status.mailboxes > 0 && (status.logins > 0 || status.last_backup_at));

export function first_steps(status, found) {
  return el(
    "section",
    { class: "card", id: "first-steps", "aria-labelledby": "first-steps-title" },
    el("h2", { id: "first-steps-title" }, "First steps"),
    el(
      "ol",
      { class: "steps" },
      steps(status, found).map(([done, words, title, more]) =>
        el(
          "li",
          null,
          words ? link(words, title) : el("b", null, title),
          done ? [" ", badge("✓ done", "ok")] : null,
          el("p", { class: "below" }, more),
        ),
      ),
    ),
  );
}
