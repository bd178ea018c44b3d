// Asks the admin API. What is no success is thrown: a Failure where somebody answered, Unreachable
// where nobody did.

// A proxy that is well answers at once; one that is stuck must not hold the page's clock.
const PATIENCE_MS = 8000;
const DELETE = { method: "DELETE" };

export class Failure extends Error {
  constructor({ status, code, title, detail = title }) {
    super(detail ?? `The proxy answered ${status}.`);
    Object.assign(this, { status, code });
  }
}

export class Unreachable extends Error {}

/** Tells whether the token is what was wrong. */
export const isRefusal = (error) => error instanceof Failure && [401, 403].includes(error.status);

/** The admin API for who has the token; `over` ends whatever is under way. */
export class AdminApi {
  #authorization;
  #over;

  constructor(token, over) {
    // The header is UTF-8, whatever the token is made of; fetch() takes a character for each byte.
    const bytes = new TextEncoder().encode(token);
    this.#authorization = token ? { Authorization: `Bearer ${String.fromCharCode(...bytes)}` } : {};
    this.#over = over;
  }

  stats = () => this.#json("stats");

  streams = async (account) => (await this.#json(`${pathOf(account)}/streams`)).streams;

  end = (account, stream, hold) =>
    this.#ask(`${pathOf(account)}/streams/${encodeURIComponent(stream)}${query(hold)}`, DELETE);

  endAll = (account, hold) => this.#ask(`${pathOf(account)}/streams${query(hold)}`, DELETE);

  /** Makes every token of the account worthless that was issued until now. */
  revoke = (account) =>
    this.#ask(`${pathOf(account)}/revoke`, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      // When that is, the proxy knows best: an answer that took long leaves this page's clock behind.
      body: JSON.stringify({ issued_before: "now" }),
    });

  async #json(path) {
    const response = await this.#ask(path);
    try {
      return await response.json();
    } catch {
      throw new Unreachable("The answer broke off.");
    }
  }

  async #ask(path, { headers = {}, ...options } = {}) {
    const signal = AbortSignal.any([this.#over, AbortSignal.timeout(PATIENCE_MS)]);
    const request = { ...options, headers: { ...headers, ...this.#authorization }, signal, cache: "no-store" };
    let response;
    try {
      response = await fetch(`admin/v1/${path}`, request);
    } catch {
      throw new Unreachable("The proxy does not answer.");
    }
    if (response.ok) return response;
    const problem = await response.json().catch(() => ({}));
    throw new Failure({ ...problem, status: response.status });
  }
}

const pathOf = (account) => `accounts/${encodeURIComponent(account.toWellFormed())}`;
const query = (hold) => (hold ? `?${new URLSearchParams({ hold })}` : "");
