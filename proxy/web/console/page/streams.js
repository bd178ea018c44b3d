// An account's streams, one row each, and their clocks.

import { moment, secondsSince, span } from "./clock.js";
import { copyOf, fill, keep, say } from "./dom.js";

const KINDS = { live: "live", vod: "on demand" };

export class StreamList {
  #list;
  #end;
  #streams = new Map();

  constructor(list, end) {
    this.#list = list;
    this.#end = end;
  }

  show(streams) {
    this.#streams = new Map(streams.map((stream) => [stream.id, stream]));
    keep(this.#list, streams, { key: ({ id }) => id, make: (stream) => this.#row(stream), update });
    this.tick();
  }

  /** Lets the clocks go on between two answers. */
  tick() {
    for (const row of this.#list.children) clocks(row, this.#streams.get(row.dataset.key));
  }

  #row({ id, content, device }) {
    const row = copyOf("stream-template");
    const button = row.querySelector(".end");
    button.setAttribute("aria-label", `End ${content} on ${device || "an unnamed device"}`);
    button.addEventListener("click", () => this.#end(this.#streams.get(id)));
    return row;
  }
}

function update(row, { content, device, route, kind, beats, started_at: started, last_seen_at: seen }) {
  const [, host, path] = /^([^/]*)(.*)$/s.exec(content);
  fill(row, ".content .host", host);
  fill(row, ".content .path", path);
  fill(row, ".device bdi", device || "unnamed device");
  fill(row, ".route", route);
  fill(row, ".kind", KINDS[kind] ?? "unknown");
  fill(row, ".beats", String(beats));
  row.querySelector(".since").title = moment(started);
  row.querySelector(".seen").title = moment(seen);
}

function clocks(row, { started_at: started, last_seen_at: seen, expires_at: expires }) {
  const left = Math.max(0, -secondsSince(expires));
  const whole = (Date.parse(expires) - Date.parse(seen)) / 1000;
  fill(row, ".since", span(secondsSince(started)));
  fill(row, ".seen", `${span(secondsSince(seen))} ago`);
  say(row.querySelector(".left"), span(Math.ceil(left)));
  row.style.setProperty("--left", Math.min(1, left / Math.max(1, whole)).toFixed(3));
}
