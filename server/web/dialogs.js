// Questions and forms in front of the page. Each promise is kept when the dialog is closed.

import { el, fill, new_id } from "./dom.js";
import { outside } from "./parts.js";
import { copy_button, nobody_is_here, while_disabled } from "./actions.js";

// Those that are open: {held, end}.
const open = new Set();

// Whether something would be lost by going elsewhere now: a password that is shown once, or the answer to what is being done.
export const dialog_is_held = () => [...open].some((each) => each.held());

// `all`: also those, since whoever looks now is not logged in.
export function close_dialogs({ all = false } = {}) {
  for (const each of open) {
    if (all || !each.held()) each.end(null);
  }
}

// While `held()`, nothing but `close` ends it.
async function open_dialog(title, held, make) {
  // The session has ended between a form and the password that it made.
  if (nobody_is_here()) return null;
  return new Promise((resolve) => {
    const id = new_id("dialog");
    const before = document.activeElement;
    const dialog = el("dialog", { "aria-labelledby": id }, el("h2", { id }, title));
    let answer = null,
      ended = false;
    const close = (value) => {
      if (ended) return;
      ended = true;
      answer = value;
      // Shut by the browser already, perhaps.
      if (dialog.open) dialog.close();
    };
    const entry = { held, end: close };
    dialog.append(...[make(close)].flat());
    const stay = (event) => {
      if (held()) event.preventDefault();
    };
    dialog.addEventListener("cancel", stay);
    // Chromium lets "cancel" be prevented once only, until somebody clicks.
    dialog.addEventListener("keydown", (event) => event.key === "Escape" && stay(event));
    dialog.addEventListener("close", () => {
      if (!ended && held()) return dialog.showModal();
      ended = true;
      open.delete(entry);
      dialog.remove();
      if (before && before.isConnected) before.focus();
      resolve(answer);
    });
    open.add(entry);
    document.body.append(dialog);
    dialog.showModal();
  });
}

// Fields are made by text_field(), choice_field() … below. `send` gets {name: value}; while it throws, the dialog stays and says why. Gives what
// `send` gave; null when it was left, which nobody can while `send` runs. Without fields it is a question.
export function ask_form({ title, intro, fields = [], button, kind = "", send }) {
  let sending = false;
  return open_dialog(
    title,
    () => sending,
    (close) => {
      const trouble = el("div", { role: "alert" });
      // Where something is lost, a stray Enter leaves: "Cancel" has the focus then.
      const submit = el("button", { type: "submit", class: kind }, button);
      const cancel = el(
        "button",
        {
          type: "button",
          class: "plain",
          autofocus: kind === "danger" && fields.length === 0,
          onclick: () => !sending && close(null),
        },
        "Cancel",
      );
      const act = async () => {
        const values = Object.assign({}, ...fields.map((field) => field.read()));
        sending = true;
        cancel.setAttribute("aria-disabled", "true");
        try {
          close({ value: await send(values) });
        } finally {
          sending = false;
          cancel.removeAttribute("aria-disabled");
        }
      };
      return el(
        "form",
        {
          novalidate: true,
          onsubmit: async (event) => {
            event.preventDefault();
            if (sending) return;
            fill(trouble);
            await while_disabled(submit, act).catch((error) =>
              fill(trouble, el("div", { class: "message bad" }, el("p", null, outside(error.message)))),
            );
          },
        },
        intro ? el("p", null, intro) : null,
        fields.map((field) => field.element),
        trouble,
        el("div", { class: "buttons" }, submit, cancel),
      );
    },
  );
}

// What is shown only once goes by its button. Gives true; null when the session has ended before.
export function show_once({ title, intro, secret, more }) {
  return open_dialog(
    title,
    () => true,
    (close) =>
      el(
        "div",
        null,
        el("p", null, intro),
        el("p", { class: "secret" }, outside(secret, { class: "code", id: "secret" }), copy_button(secret, "the password")),
        el("p", { class: "quiet" }, "It is shown only this once: the server keeps no copy that can be read."),
        more || null,
        el("div", { class: "buttons" }, el("button", { type: "button", onclick: () => close(true) }, "I have it")),
      ),
  );
}

function labelled(label, hint, make) {
  const id = new_id("field");
  return el(
    "div",
    { class: "field" },
    el("label", { for: id }, label),
    make(id, hint ? id + "-hint" : null),
    hint ? el("p", { class: "hint", id: id + "-hint" }, hint) : null,
  );
}

export function text_field(name, label, { hint, type = "text", value = "", ...more } = {}) {
  const input = el("input", { name, type, spellcheck: "false", autocapitalize: "off", autocomplete: "off", ...more });
  input.value = value;
  return {
    element: labelled(label, hint, (id, described) => {
      input.id = id;
      if (described) input.setAttribute("aria-describedby", described);
      return input;
    }),
    input,
    read: () => ({ [name]: type === "password" ? input.value : input.value.trim() }),
  };
}

export function area_field(name, label, { hint, value = "", rows = 3 } = {}) {
  const input = el("textarea", { name, rows, spellcheck: "false", autocapitalize: "off", autocomplete: "off" });
  input.value = value;
  return {
    element: labelled(label, hint, (id, described) => {
      input.id = id;
      if (described) input.setAttribute("aria-describedby", described);
      return input;
    }),
    input,
    read: () => ({ [name]: input.value }),
  };
}

// choices: [[value, label], …]; the first is taken unless another is chosen.
export function choice_field(name, label, choices, changed) {
  const group = new_id(name);
  const inputs = choices.map(([value], i) =>
    el("input", {
      type: "radio",
      name: group,
      value,
      id: `${group}-${i}`,
      checked: i === 0,
      onchange: () => changed && changed(value),
    }),
  );
  return {
    element: el(
      "fieldset",
      null,
      el("legend", null, label),
      choices.map(([, words], i) => el("div", { class: "choice" }, inputs[i], el("label", { for: inputs[i].id }, words))),
    ),
    read: () => ({ [name]: inputs.find((input) => input.checked).value }),
  };
}

export function tick_field(name, label) {
  const input = el("input", { type: "checkbox", id: new_id(name), name });
  return {
    element: el("div", { class: "choice" }, input, el("label", { for: input.id }, label)),
    input,
    read: () => ({ [name]: input.checked }),
  };
}

// A new password: made here by the server, or typed. Reads {password: undefined or a text}.
export function password_field() {
  const typed = text_field("password", "Password", {
    type: "password",
    autocomplete: "new-password",
    hint: "Something that nobody guesses: several words, say.",
  });
  const shown = tick_field("shown", "Show what I type");
  shown.input.addEventListener("change", () => {
    typed.input.type = shown.input.checked ? "text" : "password";
  });
  const typing = el("div", { hidden: true }, typed.element, shown.element);
  const how = choice_field(
    "how",
    "Password",
    [
      ["make", "Make a good one and show it once"],
      ["type", "I type one"],
    ],
    (value) => {
      typing.hidden = value !== "type";
      if (value === "type") typed.input.focus();
    },
  );
  return {
    element: el("div", null, how.element, typing),
    read: () => {
      if (how.read().how === "make") return { password: undefined };
      if (typed.input.value === "") throw new Error("Type a password, or let the server make one.");
      return { password: typed.input.value };
    },
  };
}

// A yes or no; true when it was done.
export async function ask_first({ title, intro, button, kind = "danger", send }) {
  return (
    (await ask_form({
      title,
      intro,
      button,
      kind,
      send: async () => {
        await send();
        return true;
      },
    })) !== null
  );
}
