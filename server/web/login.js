// The screen of who is not logged in: where to get a link.

import { el, fill } from "./dom.js";
import { heading, message_box, outside } from "./parts.js";
import { copyable } from "./actions.js";

export function show_login(place, why) {
  document.title = "Log in – Mailstead";
  fill(
    place,
    el(
      "div",
      { class: "login" },
      heading("Log in to Mailstead"),
      why ? el("div", { role: "alert" }, message_box("note", el("p", null, outside(why)))) : null,
      el(
        "p",
        null,
        "This page has no password. Whoever may administer the server makes a link, which works once, for ten minutes:",
      ),
      el(
        "ol",
        { class: "steps" },
        el(
          "li",
          null,
          "On the machine of the server, run ",
          copyable("mailstead web-link", "the command"),
          el(
            "p",
            { class: "quiet" },
            "In a container, with its own name in the place of NAME: ",
            copyable("docker exec NAME mailstead web-link", "the command for a container"),
          ),
        ),
        el("li", null, "Open the link that it prints, in this browser."),
      ),
      el(
        "p",
        { class: "quiet" },
        "A session ends by itself after an hour without a request, after twelve hours, and when the server is started again.",
      ),
    ),
  );
  place.querySelector("h1").focus({ preventScroll: true });
}
