// Asks the proxy and the demo's site. Every failure is a Problem, whoever answered.

export class Problem extends Error {
  constructor(document, retryAfter = null) {
    super(document.detail ?? document.title ?? "Something went wrong");
    this.document = document;
    this.retryAfter = retryAfter;
  }

  get code() {
    return this.document.code;
  }

  /** A refusal, as opposed to a failure, which a player may try to get over. */
  get isFinal() {
    return this.document.status < 500;
  }
}

const PROBLEM_TYPE = "application/problem+json";

/** Reads a problem document; null where the answer is none. Takes text or an ArrayBuffer. */
export function problemOf(type, body, retryAfter) {
  if (!type?.startsWith(PROBLEM_TYPE)) return null;
  try {
    const text = typeof body === "string" ? body : new TextDecoder().decode(body);
    return new Problem(JSON.parse(text), retryAfter);
  } catch {
    return null;
  }
}

export async function ask(path, { token, ...options } = {}) {
  const headers = token ? { Authorization: `Bearer ${token}` } : {};
  const response = await fetch(path, { ...options, headers, cache: "no-store" });
  if (response.ok) return response;
  const type = response.headers.get("Content-Type");
  const body = await response.text();
  throw (
    problemOf(type, body, response.headers.get("Retry-After")) ??
    new Problem({ status: response.status, title: `The server answered ${response.status}.` })
  );
}

export const catalogue = async () => (await ask("catalogue")).json();

export async function login(user, device = "") {
  const query = new URLSearchParams({ user, ...(device && { device }) });
  return (await ask(`login?${query}`)).json();
}

export const streams = async (token) => (await ask("/_playgate/streams", { token })).json();

export const stop = (token, id) => ask(`/_playgate/streams/${id}`, { token, method: "DELETE" });

export const heartbeat = (ticket) => ask(`/_playgate/heartbeat?${ticket}`, { method: "POST" });

/** Gives a slot back. A beacon is sent even while the page is being closed. */
export const release = (ticket) => navigator.sendBeacon(`/_playgate/release?${ticket}`);

export async function originLog(after, limit) {
  return (await ask(`origin-log?${new URLSearchParams({ after, limit })}`)).json();
}

/** Finds the playback ticket that the proxy put into a manifest's URIs. */
export function ticketIn(text) {
  return /_sid=[\w.-]+/.exec(text)?.[0] ?? null;
}
