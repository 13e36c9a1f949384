// The page's one way to the server: see "What the server answers" in README.md.

// A sentence for people: what was refused or went wrong, and what to do.
export class Refusal extends Error {}

// The session is over, or never was.
export class SignedOut extends Refusal {}

// Not by this page, as it is now. Nothing was done.
class Forbidden extends Refusal {}

// Nobody has answered, or only what stands in front of the server. A link may still be good.
export class Unreachable extends Refusal {}

const PATIENCE = 90_000; // ms; a command of a busy server takes seconds
const KEY = "mailstead-csrf";

let csrf = "";
let when_signed_out = () => {};

export function on_signed_out(tell) {
  when_signed_out = tell;
}

// What proves, beside the cookie, that this page asks. All tabs of this origin have it from here, and pages of other ports do not. null: nothing
// can be stored, and this tab alone knows it.
function stored() {
  try {
    return localStorage.getItem(KEY) || "";
  } catch {
    return null;
  }
}

function remember(value) {
  csrf = value;
  try {
    if (value) localStorage.setItem(KEY, value);
    else localStorage.removeItem(KEY);
  } catch {
    // In memory, then.
  }
}

// The value is of no use any more; another tab may have a newer one just now, which stays.
function forget(value) {
  if ((stored() ?? value) === value) remember("");
}

// What another tab has done meanwhile. Gives whether it is another value.
function take_over() {
  const before = csrf;
  csrf = stored() ?? csrf;
  return csrf !== before;
}

window.addEventListener("storage", (event) => {
  if (event.key !== KEY && event.key !== null) return;
  if (take_over() && !csrf) when_signed_out("The session is over: another tab has logged out, or was told that it ended.");
});

// The words of what answers in its own way, a limit or a proxy say; not a page of HTML.
function plain_words(text, type) {
  return /html/i.test(type) ? "" : text.trim().slice(0, 500);
}

// `poll`: nobody has asked for it just now, so that it does not keep the session alive.
async function ask(method, path, body, poll) {
  const headers = { Accept: "application/json" };
  if (csrf && path !== "login") headers["X-Mailstead-Csrf"] = csrf;
  if (poll) headers["X-Mailstead-Poll"] = "1";
  if (body !== undefined) headers["Content-Type"] = "application/json";
  let response, text;
  try {
    response = await fetch("api/" + path, {
      method,
      headers,
      body: body === undefined ? undefined : JSON.stringify(body),
      credentials: "same-origin",
      cache: "no-store",
      redirect: "error",
      signal: AbortSignal.timeout(PATIENCE),
    });
    text = await response.text();
  } catch (error) {
    throw new Unreachable(
      error.name === "TimeoutError"
        ? "The server has not answered for 90 seconds. Look at its log, and try again."
        : "The server cannot be reached. Does it run, and is the way to it (a tunnel, say) still open? Then try again.",
    );
  }
  let answer = null;
  try {
    answer = JSON.parse(text);
  } catch {
    // What stands in between, a proxy say, may answer in its own way.
  }
  if (response.ok && answer !== null) return answer;
  const said = answer === null ? plain_words(text, response.headers.get("Content-Type") || "") : answer.error;
  const why = typeof said === "string" ? said : "";
  if (response.status === 401) throw new SignedOut(why);
  if (response.status === 403) throw new Forbidden(why);
  const words = why || `The server answered with ${response.status}, without saying why. Look at its log.`;
  if (response.status >= 502 && response.status <= 504) throw new Unreachable(words);
  throw new Refusal(words);
}

// Once more when another tab has begun a session since: the cookie is that one's.
async function ask_again(method, path, body, poll) {
  const with_this = csrf;
  try {
    return await ask(method, path, body, poll);
  } catch (error) {
    if (!(error instanceof Forbidden || error instanceof SignedOut)) throw error;
    if (csrf === with_this) take_over();
    if (csrf === with_this || !csrf) throw error;
    return await ask(method, path, body, poll);
  }
}

async function ask_in_session(method, path, body, poll) {
  try {
    return await ask_again(method, path, body, poll);
  } catch (error) {
    if (error instanceof SignedOut) {
      forget(csrf);
      when_signed_out(error.message);
    }
    throw error;
  }
}

// Facts of the session, {hostname, version, now, ends_at}; a link works once.
export async function log_in(token) {
  const session = await ask("POST", "login", { token });
  remember(session.csrf);
  return session;
}

// Those of the session that this browser has; null when there is none.
export async function session({ poll = false } = {}) {
  take_over();
  if (!csrf) return null;
  try {
    return await ask_again("GET", "session", undefined, poll);
  } catch (error) {
    if (!(error instanceof SignedOut)) throw error;
    forget(csrf);
    return null;
  }
}

export async function log_out() {
  await ask_again("POST", "logout", {});
  remember("");
}

// The report of a command. A command that could not be done throws what it said.
export async function command(name, words = [], { flags = [], after, password, poll = false } = {}) {
  const request = { command: name, arguments: words, flags };
  if (after) request.after = after;
  if (password !== undefined) request.password = password;
  const report = await ask_in_session("POST", "command", request, poll);
  if (report.exit_code !== 0) throw new Refusal(report.error || report.text || `'${name}' could not be done.`);
  return report;
}

// Likewise of a command that is done in parts, between which others have the server: all of them.
export async function command_in_parts(name, words, options = {}) {
  let report = await command(name, words, options);
  let text = report.text;
  while (report.next) {
    report = await command(name, words, { ...options, after: report.next });
    text += report.text;
  }
  return { ...report, text };
}

// Just what the command line prints with --json.
export const result = async (...request) => (await command(...request)).result;

export const history = (span, { poll = false } = {}) =>
  ask_in_session("GET", "history?span=" + encodeURIComponent(span), undefined, poll);

export const begin_look = (look) => ask_in_session("POST", "look", look);

export const look_state = (look, { poll = false } = {}) =>
  ask_in_session("GET", "look?" + new URLSearchParams(look), undefined, poll);
