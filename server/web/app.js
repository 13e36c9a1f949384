// Who is here, and which screen is shown: sessions, addresses of screens (#/queue/ID), the menu.

import * as api from "./api.js";
import { el, fill } from "./dom.js";
import { heading, outside, refusal, waiting } from "./parts.js";
import { forget_news, tell, tell_error } from "./actions.js";
import { visible } from "./text.js";
import { show_login } from "./login.js";
import { overview } from "./overview.js";
import { mailboxes } from "./mailboxes.js";
import { mailbox } from "./mailbox.js";
import { message } from "./messages.js";
import { aliases } from "./aliases.js";
import { queue, queued } from "./queue.js";
import { trace } from "./trace.js";
import { doctor } from "./doctor.js";
import { dns } from "./dns.js";
import { access } from "./access.js";

// first word: [title, in the menu, its screen for one thing]. A screen is a function (place, words, life): it fills `place`, and whatever it
// began ends when the AbortSignal `life` does, which is when people go elsewhere.
const SCREENS = {
  overview: ["Overview", overview],
  mailboxes: ["Mailboxes", mailboxes, mailbox],
  aliases: ["Aliases and domains", aliases],
  queue: ["Queue", queue, queued],
  trace: ["Trace", trace, trace],
  doctor: ["Doctor", doctor],
  dns: ["DNS", dns, dns],
  access: ["Access", access],
  message: [null, message, message], // an address and a UIDL
};

const at = (id) => document.getElementById(id);
let here = new AbortController();
let inside = false;

// Out of the address bar, and so of what is copied from it, before anything else.
function take_token() {
  const found = /^#login=(.*)$/s.exec(location.hash);
  if (!found) return null;
  history.replaceState(null, "", location.pathname + "#/overview");
  return found[1];
}

function leave_screen() {
  here.abort();
  here = new AbortController();
  for (const dialog of document.querySelectorAll("dialog")) dialog.close();
}

function sign_out(why) {
  if (!inside) return;
  inside = false;
  leave_screen();
  at("top").hidden = true;
  forget_news();
  show_login(at("screen"), why);
}

async function enter(session) {
  inside = true;
  at("top").hidden = false;
  fill(at("hostname"), outside(session.hostname));
  fill(at("errors"));
  await show();
}

async function begin() {
  const token = take_token();
  fill(at("screen"), waiting());
  try {
    if (token !== null) {
      try {
        return await enter(await api.log_in(token));
      } catch (error) {
        const session = await api.session();
        if (!session)
          return outside_with(
            "This link cannot be used: " + (error.message || "it was used before, or it is older than ten minutes."),
          );
        await enter(session);
        return tell(
          "That link has been used before, or is too old. You are logged in all the same, by a session of this browser.",
        );
      }
    }
    const session = await api.session();
    return session ? await enter(session) : outside_with("");
  } catch (error) {
    fill(at("screen"), heading("Mailstead"), refusal(error, begin));
  }
}

function outside_with(why) {
  inside = false;
  at("top").hidden = true;
  show_login(at("screen"), why);
}

function words_of_address() {
  const words = location.hash
    .replace(/^#\/?/, "")
    .split("/")
    .filter((word) => word !== "");
  return words.map((word) => {
    try {
      return decodeURIComponent(word);
    } catch {
      return word;
    }
  });
}

async function show() {
  const [first = "overview", ...words] = words_of_address();
  const [title, all, one] = Object.hasOwn(SCREENS, first) ? SCREENS[first] : SCREENS.overview;
  leave_screen();
  forget_news();
  draw_menu(first);
  const { signal } = here;
  const place = el("div", { class: "screen", "aria-busy": "true" }, waiting());
  fill(at("screen"), place);
  document.title = [words.length ? visible(words[0]) : null, title || "Message", "Mailstead"].filter(Boolean).join(" – ");
  try {
    await (words.length && one ? one : all)(place, words, signal);
  } catch (error) {
    if (signal.aborted) return;
    fill(place, heading(title || "Message"), refusal(error, show));
  }
  place.removeAttribute("aria-busy");
  if (signal.aborted) return;
  // Who listens to the page is told where he is; who sees it, is not moved.
  place.querySelector("h1")?.focus({ preventScroll: true });
  window.scrollTo(0, 0);
}

function draw_menu(first) {
  const menu = Object.entries(SCREENS)
    .filter(([, [title]]) => title)
    .map(([word, [title]]) =>
      el(
        "a",
        { href: "#/" + word, "aria-current": word === first || (word === "mailboxes" && first === "message") ? "page" : null },
        title,
      ),
    );
  fill(at("navigation"), menu, el("button", { type: "button", class: "plain", id: "logout", onclick: log_out }, "Log out"));
  open_menu(false);
}

function open_menu(open) {
  at("menu").setAttribute("aria-expanded", String(open));
  at("navigation").classList.toggle("open", open);
}

async function log_out() {
  try {
    await api.log_out();
  } catch (error) {
    if (!(error instanceof api.SignedOut)) return tell_error(error);
  }
  sign_out("You are logged out.");
}

api.on_signed_out((why) =>
  sign_out(
    why || "The session is over: after an hour without a request, after twelve hours, or because the server was started again.",
  ),
);
at("menu").addEventListener("click", () => open_menu(at("menu").getAttribute("aria-expanded") !== "true"));
// "#main" would be a screen's address.
at("skip").addEventListener("click", (event) => {
  event.preventDefault();
  at("main").focus();
});
window.addEventListener("hashchange", () => {
  if (location.hash.startsWith("#login=") || !inside) begin();
  else show();
});
window.addEventListener("unhandledrejection", (event) => {
  event.preventDefault();
  tell_error(event.reason instanceof Error ? event.reason : new Error(String(event.reason)));
});
begin();
