// Numbers, times and other people's words as text for people. No elements.

// What changes how text around it is shown, or cannot be seen: control characters, bidi controls, zero width, tags, half characters, and the letters
// that are blank (Braille's, a note's head).
const UNSEEN = /[\p{Cc}\p{Cs}\p{Cf}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}\u2800\u{1d159}]/u;
// Many scripts and emoji need these behind a character of theirs; behind ASCII they only make two addresses look alike.
const JOINS = /[\u200c\u200d\ufe00-\ufe0f\u{e0100}-\u{e01ef}]/u;
const JOINED = /[^\0-\x7f]/u;
const SHORT = { "\n": "\\n", "\r": "\\r", "\t": "\\t" };

export function escape_of(character) {
  if (SHORT[character]) return SHORT[character];
  const code = character.codePointAt(0).toString(16).toUpperCase();
  return code.length > 4 ? `\\u{${code}}` : "\\u" + code.padStart(4, "0");
}

// [[text, is it an escape], …]
export function pieces(text) {
  const found = [];
  let before = ""; // a character that is seen, and what was joined to it
  for (const character of plain(text)) {
    const joins = JOINS.test(character) && JOINED.test(before) && before.length < 6;
    const unseen = UNSEEN.test(character) && !joins;
    before = joins ? before + character : unseen ? "" : character;
    const last = found[found.length - 1];
    if (!unseen && last && !last[1]) last[0] += character;
    else found.push([unseen ? escape_of(character) : character, unseen]);
  }
  return found;
}

// Spaces only, of whatever width: there is something, but nobody sees it.
export const is_blank = (text) => !/\S/u.test(visible(text));

// For titles and labels, which cannot hold elements.
export const visible = (text) =>
  pieces(text)
    .map(([piece]) => piece)
    .join("");

// Text that is not UTF-8 comes as {"hex": …}.
function plain(text) {
  if (text === null || text === undefined) return "";
  if (typeof text === "object" && typeof text.hex === "string") {
    return text.hex.replace(/../g, (pair) => {
      const octet = parseInt(pair, 16);
      return octet >= 0x20 && octet < 0x7f ? String.fromCharCode(octet) : "\\x" + pair;
    });
  }
  return String(text);
}

const UNITS = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];

export function size_text(octets) {
  if (!Number.isFinite(octets)) return "not known";
  let unit = 0;
  let value = octets;
  while (value >= 1024 && unit < UNITS.length - 1) {
    value /= 1024;
    ++unit;
  }
  return unit === 0 || value >= 100 ? `${Math.round(value)} ${UNITS[unit]}` : `${value.toFixed(1)} ${UNITS[unit]}`;
}

export const number_text = (number) => number.toLocaleString("en").replaceAll(",", "\u202f");

export const counted = (number, thing, things = thing + "s") => `${number_text(number)} ${number === 1 ? thing : things}`;

// Unix seconds or RFC 3339; null for what never was.
export function moment(at) {
  if (at === null || at === undefined || at === 0 || at === "") return null;
  const date = new Date(typeof at === "number" ? at * 1000 : at);
  return Number.isNaN(date.getTime()) ? null : date;
}

const two = (number) => String(number).padStart(2, "0");

// By the clock of who looks: "2026-12-01 07:30".
export function time_text(date, with_seconds = false) {
  return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())} ${clock_text(date, with_seconds)}`;
}

export function clock_text(date, with_seconds) {
  return `${two(date.getHours())}:${two(date.getMinutes())}` + (with_seconds ? ":" + two(date.getSeconds()) : "");
}

export function span_text(seconds) {
  const s = Math.max(0, Math.round(seconds));
  if (s < 60) return `${s} s`;
  if (s < 3600) return `${Math.floor(s / 60)} min`;
  if (s < 86400) {
    const minutes = Math.floor((s % 3600) / 60);
    return `${Math.floor(s / 3600)} h` + (minutes && s < 36000 ? ` ${minutes} min` : "");
  }
  const days = Math.floor(s / 86400);
  const hours = Math.floor((s % 86400) / 3600);
  return counted(days, "day") + (hours && days < 7 ? ` ${hours} h` : "");
}

let behind = 0; // ms: what this device's clock lacks

// A server's clock is kept by the network, that of who looks perhaps not. Less than a minute may be the way here.
export function set_clock(server_now) {
  const there = moment(server_now);
  const by = there ? there - Date.now() : 0;
  behind = Math.abs(by) > 60_000 ? by : 0;
}

export const now = () => Date.now() + behind;

export const zone_text = () =>
  `Times are in ${Intl.DateTimeFormat().resolvedOptions().timeZone || "the zone of this device"}.` +
  (behind ? ` The clock of this device is ${span_text(Math.abs(behind) / 1000)} ${behind > 0 ? "slow" : "fast"}.` : "");

// "3 min ago", "in 2 days"
export function relative_text(date, at = now()) {
  const seconds = (at - date) / 1000;
  if (Math.abs(seconds) < 5) return "now";
  return seconds > 0 ? `${span_text(seconds)} ago` : `in ${span_text(-seconds)}`;
}
