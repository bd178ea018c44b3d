// Asks the proxy and the demo's site. Whoever answers: what is no success is thrown as a Failure.

export class Failure extends Error {
  constructor({ status, code, title, detail = title }) {
    super(detail ?? `The server answered ${status}.`);
    Object.assign(this, { status, code });
  }
}

async function ask(path, { token, ...options } = {}) {
  const headers = token ? { Authorization: `Bearer ${token}` } : {};
  const response = await fetch(path, { ...options, headers, cache: "no-store" });
  if (response.ok) return response;
  const problem = await response.json().catch(() => ({}));
  throw new Failure({ ...problem, status: response.status });
}

export const catalogue = async () => (await ask("catalogue")).json();

export async function login(user, device = "") {
  const query = new URLSearchParams({ user, ...(device && { device }) });
  return (await ask(`login?${query}`)).json();
}

export const streams = async (token) => (await ask("/_playgate/streams", { token })).json();

/** Gives a slot back. A beacon is sent even while the page is being closed. */
export const release = (ticket) => navigator.sendBeacon(`/_playgate/release?${ticket}`);

export async function originLog(after, limit) {
  return (await ask(`origin-log?${new URLSearchParams({ after, limit })}`)).json();
}

/** Finds the playback ticket that the proxy put into a manifest's URIs. */
export function ticketIn(text) {
  return /_sid=[\w.-]+/.exec(text)?.[0] ?? null;
}
