// Elements made from values. Nothing here, or anywhere in this page, makes HTML from text: text is put in as text.

const SVG = "http://www.w3.org/2000/svg";

function add(place, children) {
  for (const child of children.flat(Infinity)) {
    if (child === null || child === undefined || child === false) continue;
    place.append(child instanceof Node ? child : String(child));
  }
  return place;
}

function set(element, attributes) {
  for (const [name, value] of Object.entries(attributes || {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) {
      element.addEventListener(name.slice(2), value);
    } else {
      element.setAttribute(name, value === true ? "" : String(value));
    }
  }
  return element;
}

// el("a", {class: "plain", href: "#/queue"}, "text", another_element). false, null and undefined are left out; "onclick" takes a function.
export function el(name, attributes, ...children) {
  return add(set(document.createElement(name), attributes), children);
}

export function svg(name, attributes, ...children) {
  return add(set(document.createElementNS(SVG, name), attributes), children);
}

// Puts these in the place of what is there.
export function fill(place, ...children) {
  place.replaceChildren();
  return add(place, children);
}

let ids = 0;
export const new_id = (what) => `${what}-${++ids}`;

// The address of a screen. Its words may be anything: an address with a slash, or with half a character.
export function href(...words) {
  return (
    "#/" +
    words
      .map((word) => {
        try {
          return encodeURIComponent(word);
        } catch {
          return encodeURIComponent(String(word).replace(/\p{Cs}/gu, "\ufffd"));
        }
      })
      .join("/")
  );
}

// As fill(), but only what differs is touched: a link that has the focus keeps it, and marked text stays marked. For elements without listeners.
export function renew(place, ...children) {
  const next = add(place.cloneNode(false), children);
  patch(place, next);
}

function patch(old, next) {
  if (old.isEqualNode(next)) return;
  if (old.nodeName !== next.nodeName || old.namespaceURI !== next.namespaceURI) {
    old.replaceWith(next);
    return;
  }
  if (old.nodeType === Node.TEXT_NODE) {
    old.data = next.data;
    return;
  }
  for (const { name } of [...old.attributes]) if (!next.hasAttribute(name)) old.removeAttribute(name);
  for (const { name, value } of next.attributes) if (old.getAttribute(name) !== value) old.setAttribute(name, value);
  const before = [...old.childNodes];
  const after = [...next.childNodes];
  after.forEach((each, i) => (i < before.length ? patch(before[i], each) : old.append(each)));
  before.slice(after.length).forEach((each) => each.remove());
}

// What is pressed may be drawn anew by what it does, and its focus would be lost: the one in its place has it then, or else the heading.
// Gives what has to be called afterwards.
export function keep_focus(element) {
  const screen = document.getElementById("screen");
  const alike = () => [...screen.querySelectorAll("button")].filter((each) => each.textContent === element.textContent);
  const address = location.hash;
  const index = alike().indexOf(element);
  const within = element.closest("dialog") === null;
  return () => {
    const nowhere = document.activeElement === null || document.activeElement === document.body;
    if (!within || element.isConnected || !nowhere || location.hash !== address) return;
    const those = alike();
    const same = (element.id && document.getElementById(element.id)) || those[Math.min(Math.max(index, 0), those.length - 1)];
    (same || screen.querySelector("h1"))?.focus({ preventScroll: !same });
  };
}
