// Who is here, and which screen is shown: sessions, addresses of screens (#/queue/ID), the menu.

import * as api from "./api.js";
import { el, fill } from "./dom.js";
import { heading, outside, refusal, waiting } from "./parts.js";
import { forget_all, forget_news, tell, tell_error } from "./actions.js";
import { close_dialogs, dialog_is_held } from "./dialogs.js";
import { moment, now, set_clock, visible, zone_text } from "./text.js";
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
let shown = ""; // the address of the screen
let token = null; // of a link that nobody has answered yet
let ends = Infinity, // when the session's time is over
  end; // its timer

// Out of the address bar, and so of what is copied from it, before anything else.
function take_token() {
  const found = /^#login=(.*)$/s.exec(location.hash);
  if (!found) return;
  history.replaceState(null, "", location.pathname + "#/overview");
  token = found[1];
}

function leave_screen() {
  here.abort();
  here = new AbortController();
  close_dialogs();
}

function leave_session(why) {
  inside = false;
  clearTimeout(end);
  leave_screen();
  close_dialogs({ all: true });
  for (const id of ["top", "foot"]) at(id).hidden = true;
  fill(at("hostname"));
  forget_all();
  show_login(at("screen"), why);
}

function sign_out(why) {
  if (inside) leave_session(why);
}

// The facts of a session: its server's clock, and when it ends whatever is done.
function take_session(session) {
  inside = true;
  set_clock(session.now);
  fill(at("foot"), zone_text());
  clearTimeout(end);
  ends = moment(session.ends_at) || Infinity;
  if (ends !== Infinity) end = setTimeout(look_at_session, Math.max(5000, ends - now() + 1000));
}

// Another tab may have begun a new one since. Without an answer what is on the screen goes, too: it may be for nobody's eyes any more.
async function look_at_session() {
  if (!inside) return;
  try {
    const session = await api.session({ poll: true });
    if (session) return take_session(session);
  } catch (error) {
    leave_session("");
    fill(at("screen"), heading("Mailstead"), refusal(error, begin));
    return;
  }
  sign_out("The session is over: it lasts twelve hours at most, and ends after an hour without a request.");
}

async function enter(session) {
  take_session(session);
  for (const id of ["top", "foot"]) at(id).hidden = false;
  fill(at("hostname"), outside(session.hostname));
  fill(at("errors"));
  await show();
}

async function begin() {
  take_token();
  fill(at("screen"), waiting());
  try {
    if (token !== null) {
      try {
        const session = await api.log_in(token);
        token = null;
        return await enter(session);
      } catch (error) {
        if (error instanceof api.Unreachable) throw error;
        token = null;
        const session = await api.session();
        if (!session)
          return leave_session(
            "This link cannot be used: " + (error.message || "it was used before, or it is older than ten minutes."),
          );
        await enter(session);
        return tell(
          "That link has been used before, or is too old. You are logged in all the same, by a session of this browser.",
        );
      }
    }
    const session = await api.session();
    return session ? await enter(session) : leave_session("");
  } catch (error) {
    fill(at("screen"), heading("Mailstead"), refusal(error, begin));
  }
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
  shown = location.hash;
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
const menu_is_open = () => at("menu").getAttribute("aria-expanded") === "true";
at("menu").addEventListener("click", () => open_menu(!menu_is_open()));
// Also by the entry of the screen that is shown, to which nothing else happens.
at("navigation").addEventListener("click", (event) => event.target.closest("a") && open_menu(false));
at("top").addEventListener("keydown", (event) => {
  if (event.key !== "Escape" || !menu_is_open()) return;
  open_menu(false);
  at("menu").focus();
});
// "#main" would be a screen's address.
at("skip").addEventListener("click", (event) => {
  event.preventDefault();
  at("main").focus();
});
window.addEventListener("hashchange", () => {
  if (location.hash.startsWith("#login=") || !inside) begin();
  // Back: what is in the dialog would be lost, and belongs to this screen.
  else if (dialog_is_held()) history.pushState(null, "", location.pathname + shown);
  else show();
});
window.addEventListener("beforeunload", (event) => {
  if (dialog_is_held()) event.preventDefault();
});
// Out of the browser's memory, by Back: the session may have ended since.
window.addEventListener("pageshow", (event) => {
  if (event.persisted) look_at_session();
});
// A machine that slept has stopped its timers, too.
document.addEventListener("visibilitychange", () => {
  if (!document.hidden && inside && now() > ends) look_at_session();
});
window.addEventListener("unhandledrejection", (event) => {
  event.preventDefault();
  tell_error(event.reason instanceof Error ? event.reason : new Error(String(event.reason)));
});
begin();
