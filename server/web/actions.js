// What people press, and what they are told then. A button sleeps while its request runs; an error stays until it is read.

import { el, fill, keep_focus } from "./dom.js";
import { outside } from "./parts.js";
import { SignedOut } from "./api.js";

const place = (id) => document.getElementById(id);

// Of what was begun before somebody logged out nothing is told: it names things that are not for whoever looks now.
export const nobody_is_here = () => place("top").hidden;

// Good news is read out, and stands there until the next.
export function tell(...children) {
  if (nobody_is_here()) return;
  fill(place("news"), el("div", { class: "message good" }, el("p", null, children)));
}

// Bad news stays until it is put away by hand.
export function tell_error(error) {
  if (error instanceof SignedOut || nobody_is_here()) return; // the whole screen says so
  const box = el(
    "div",
    { class: "message bad" },
    el("p", null, outside(error.message || String(error))),
    el("button", { type: "button", class: "plain", onclick: () => box.remove() }, "Close"),
  );
  place("errors").append(box);
  box.scrollIntoView({ block: "nearest" });
}

let carried = null;

// For the screen that comes next.
export function tell_there(...children) {
  carried = children;
}

export function forget_news() {
  fill(place("news"));
  if (carried) tell(carried);
  carried = null;
}

// Of good and of bad.
export function forget_all() {
  carried = null;
  fill(place("news"));
  fill(place("errors"));
}

// kind: "" (the one thing to do here), plain, danger. `action` may be async.
export function button(label, action, { kind = "plain", title, ...more } = {}) {
  const element = el(
    "button",
    {
      type: "button",
      class: kind,
      title,
      ...more,
      onclick: async () => {
        const refocus = keep_focus(element);
        await while_disabled(element, action).catch(tell_error);
        refocus();
      },
    },
    label,
  );
  return element;
}

export async function while_disabled(element, action) {
  if (element.getAttribute("aria-disabled") === "true") return undefined;
  // `disabled` would take the focus away from who works by keyboard.
  element.setAttribute("aria-disabled", "true");
  element.setAttribute("aria-busy", "true");
  try {
    return await action(element);
  } finally {
    element.removeAttribute("aria-disabled");
    element.removeAttribute("aria-busy");
  }
}

// Where a page came by plain HTTP from another machine, browsers have no navigator.clipboard.
async function copy(text, beside) {
  if (navigator.clipboard) {
    try {
      await navigator.clipboard.writeText(text);
      return true;
    } catch {
      // Not allowed here: the old way may be.
    }
  }
  const field = el("textarea", { class: "aside", readonly: true, "aria-hidden": "true", tabindex: -1 });
  field.value = text;
  beside.after(field); // in a dialog what is outside of it cannot be selected
  field.select();
  const copied = document.execCommand("copy");
  field.remove();
  beside.focus();
  return copied;
}

// `what`: for who does not see what stands beside it.
export function copy_button(text, what) {
  const label = el("span", { "aria-live": "polite" }, "Copy");
  const element = el(
    "button",
    {
      type: "button",
      class: "plain small",
      title: `Copy ${what}`,
      onclick: async () => {
        const copied = await copy(text, element);
        fill(label, copied ? "Copied" : "Select it and copy it by hand");
        setTimeout(() => fill(label, "Copy"), 2500);
      },
    },
    label,
    el("span", { class: "unseen" }, ` ${what}`),
  );
  return element;
}

// Text to be taken elsewhere, with its button.
export const copyable = (text, what) =>
  el("span", { class: "copyable" }, outside(text, { class: "code" }), copy_button(String(text), what));
