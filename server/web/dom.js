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
