// Questions and forms in front of the page. Each promise is kept when the dialog is closed.

import { el, fill, new_id } from "./dom.js";
import { outside } from "./parts.js";
import { copy_button, while_disabled } from "./actions.js";

function open_dialog(title, make) {
  return new Promise((resolve) => {
    const id = new_id("dialog");
    const before = document.activeElement;
    const dialog = el("dialog", { "aria-labelledby": id }, el("h2", { id }, title));
    let answer = null;
    const close = (value) => {
      answer = value;
      dialog.close();
    };
    dialog.append(...[make(close, dialog)].flat());
    dialog.addEventListener("close", () => {
      dialog.remove();
      if (before && before.isConnected) before.focus();
      resolve(answer);
    });
    document.body.append(dialog);
    dialog.showModal();
  });
}

// Fields are made by text_field(), choice_field() … below. `send` gets {name: value}; while it throws, the dialog stays and says why. Gives what
// `send` gave; null when it was left. Without fields it is a question.
export function ask_form({ title, intro, fields = [], button, kind = "", send }) {
  return open_dialog(title, (close) => {
    const trouble = el("div", { role: "alert" });
    // Where something is lost, a stray Enter leaves: "Cancel" has the focus then.
    const submit = el("button", { type: "submit", class: kind }, button);
    const form = el(
      "form",
      {
        novalidate: true,
        onsubmit: async (event) => {
          event.preventDefault();
          fill(trouble);
          await while_disabled(submit, async () =>
            close({ value: await send(Object.assign({}, ...fields.map((field) => field.read()))) }),
          ).catch((error) => fill(trouble, el("div", { class: "message bad" }, el("p", null, outside(error.message)))));
        },
      },
      intro ? el("p", null, intro) : null,
      fields.map((field) => field.element),
      trouble,
      el(
        "div",
        { class: "buttons" },
        submit,
        el(
          "button",
          { type: "button", class: "plain", autofocus: kind === "danger" && fields.length === 0, onclick: () => close(null) },
          "Cancel",
        ),
      ),
    );
    return form;
  });
}

// What is shown only once is not closed by a stray Escape.
export function show_once({ title, intro, secret, more }) {
  return open_dialog(title, (close, dialog) => {
    dialog.addEventListener("cancel", (event) => event.preventDefault());
    return el(
      "div",
      null,
      el("p", null, intro),
      el("p", { class: "secret" }, outside(secret, { class: "code", id: "secret" }), copy_button(secret, "the password")),
      el("p", { class: "quiet" }, "It is shown only this once: the server keeps no copy that can be read."),
      more || null,
      el("div", { class: "buttons" }, el("button", { type: "button", onclick: () => close(true) }, "I have it")),
    );
  });
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
