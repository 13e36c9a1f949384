// The page's one way to the server: see "What the server answers" in README.md.

// A sentence for people: what was refused or went wrong, and what to do.
export class Refusal extends Error {}

// The session is over, or never was.
export class SignedOut extends Refusal {}

// Not by this page, as it is now. Nothing was done.
class Forbidden extends Refusal {}

const PATIENCE = 90_000; // ms; a command of a busy server takes seconds

let csrf = "";
let when_signed_out = () => {};

export function on_signed_out(tell) {
  when_signed_out = tell;
}

async function ask(method, path, body) {
  const headers = { Accept: "application/json" };
  if (csrf) headers["X-Mailstead-Csrf"] = csrf;
  if (body !== undefined) headers["Content-Type"] = "application/json";
  let response;
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
  } catch (error) {
    throw new Refusal(
      error.name === "TimeoutError"
        ? "The server has not answered for 90 seconds. Look at its log, and try again."
        : "The server cannot be reached. Does it run, and is the way to it (a tunnel, say) still open? Then try again.",
    );
  }
  let answer = null;
  try {
    answer = await response.json();
  } catch {
    // What stands in between, a proxy say, may answer in its own way.
  }
  if (response.ok && answer !== null) return answer;
  const why = answer && typeof answer.error === "string" ? answer.error : "";
  if (response.status === 401) throw new SignedOut(why);
  if (response.status === 403) throw new Forbidden(why);
  throw new Refusal(why || `The server answered with ${response.status}, without saying why. Look at its log.`);
}

async function ask_in_session(method, path, body) {
  try {
    try {
      return await ask(method, path, body);
    } catch (error) {
      // Another tab has opened a session since, by another link: the cookie is that one's.
      const before = csrf;
      if (!(error instanceof Forbidden) || !(await session()) || csrf === before) throw error;
      return await ask(method, path, body);
    }
  } catch (error) {
    if (error instanceof SignedOut) {
      csrf = "";
      when_signed_out(error.message);
    }
    throw error;
  }
}

function entered(session) {
  csrf = session.csrf;
  return session;
}

// Facts of the session, {hostname, version, now, ends_at}; a link works once.
export async function log_in(token) {
  csrf = "";
  return entered(await ask("POST", "login", { token }));
}

// Those of a session that another tab has begun; null when there is none.
export async function session() {
  try {
    return entered(await ask("GET", "session"));
  } catch (error) {
    if (error instanceof SignedOut) return null;
    throw error;
  }
}

export async function log_out() {
  await ask("POST", "logout", {});
  csrf = "";
}

// The report of a command. A command that could not be done throws what it said.
export async function command(name, words = [], { flags = [], after, password } = {}) {
  const request = { command: name, arguments: words, flags };
  if (after) request.after = after;
  if (password !== undefined) request.password = password;
  const report = await ask_in_session("POST", "command", request);
  if (report.exit_code !== 0) throw new Refusal(report.error || report.text || `'${name}' could not be done.`);
  return report;
}

// Just what the command line prints with --json.
export const result = async (...request) => (await command(...request)).result;

export const history = (span) => ask_in_session("GET", "history?span=" + encodeURIComponent(span));

export const begin_look = (look) => ask_in_session("POST", "look", look);

export const look_state = (look) => ask_in_session("GET", "look?" + new URLSearchParams(look));
