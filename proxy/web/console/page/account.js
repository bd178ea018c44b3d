// One account: look it up, see what plays, and end it.

import { Failure, isRefusal } from "./api.js";
import { confirmed } from "./confirm.js";
import { byId, say } from "./dom.js";
import { StreamList } from "./streams.js";

export class AccountPanel {
  #account = null;
  #list = new StreamList(byId("streams"), (stream) => this.#end(stream));
  #act;

  /** `act` does what it is given with the admin API, and says what went wrong: see main.js. */
  constructor(act, refresh) {
    this.#act = act;
    byId("lookup").addEventListener("submit", (event) => {
      event.preventDefault();
      this.#lookUp(byId("account").value);
      refresh();
    });
    byId("end-all").addEventListener("click", () => this.#endAll());
    byId("revoke").addEventListener("click", () => this.#revoke());
  }

  clear() {
    this.#account = null;
    byId("lookup").reset();
    byId("confirm").close();
    this.#hide();
    this.say("");
  }

  #hide() {
    byId("found").hidden = true;
    this.#list.show([]);
    say(byId("spoken"), "");
  }

  say(text, bad = false) {
    say(byId("said"), text);
    byId("said").classList.toggle("error", bad);
  }

  tick() {
    this.#list.tick();
  }

  /** Shows what the account plays now; without one, nothing. */
  async refresh(api) {
    const account = this.#account;
    if (account === null) return;
    try {
      const streams = await api.streams(account);
      if (account === this.#account) this.#show(streams);
    } catch (error) {
      if (!(error instanceof Failure) || isRefusal(error)) throw error;
      if (account === this.#account) this.say(`Its streams cannot be listed: ${error.message}`, true);
    }
  }

  #lookUp(account) {
    this.#account = account;
    this.#hide();
    const padded = account !== account.trim();
    this.say(padded ? "Mind the space at the beginning or the end: it is part of the name." : "");
  }

  #show(streams) {
    if (byId("said").textContent.startsWith("Its streams cannot")) this.say("");
    say(byId("found-name").firstElementChild, this.#account);
    const count = streams.length === 1 ? "1 active stream" : `${streams.length || "No"} active streams`;
    say(byId("found-count"), count);
    say(byId("spoken"), `${this.#account}: ${count}`);
    const held = byId("found").contains(document.activeElement);
    byId("end-all").disabled = streams.length === 0;
    this.#list.show(streams);
    byId("found").hidden = false;
    if (held) this.#keepFocus();
  }

  async #end({ id, content, device }) {
    const account = this.#account;
    const answer = await confirmed({
      title: "End this stream?",
      text: `${content} on ${device || "an unnamed device"} stops at its next request.`,
      action: "End stream",
      held: true,
    });
    if (!answer) return;
    const success = `Ended ${content} on ${device || "an unnamed device"}.${refusal(answer)}`;
    await this.#do(success, (api) => api.end(account, id, answer.hold));
  }

  async #endAll() {
    const account = this.#account;
    const answer = await confirmed({
      title: `End all streams of ${account}?`,
      text: "Each stops at its next request. Tokens stay good: see “Log out everywhere”.",
      action: "End all streams",
      held: true,
    });
    if (!answer) return;
    const success = `Ended all streams of ${account}.${refusal(answer)}`;
    await this.#do(success, (api) => api.endAll(account, answer.hold));
  }

  async #revoke() {
    const account = this.#account;
    const answer = await confirmed({
      title: `Log ${account} out everywhere?`,
      text:
        "Every token that was issued until now stops working, and what plays with one ends. " +
        "Who logs in anew may watch.",
      action: "Log out everywhere",
    });
    if (!answer) return;
    await this.#do(`${account} is logged out everywhere.`, (api) => api.revoke(account));
  }

  async #do(success, work) {
    if (await this.#act(work)) this.say(success);
    this.#keepFocus();
  }

  /** The button that was pressed may be gone with its stream: go on from the account's name. */
  #keepFocus() {
    const at = document.activeElement;
    if (this.#account !== null && (at === document.body || at.disabled)) byId("found-name").focus();
  }
}

const refusal = ({ hold, span }) => (hold ? ` New starts are refused for ${span}.` : "");
