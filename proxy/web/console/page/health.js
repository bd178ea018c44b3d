// Shows whether what the proxy is made of and stands on is well.

import { moment, secondsSince, span } from "./clock.js";
import { byId, fill, keep, made, say } from "./dom.js";

export function showHealth(stats) {
  pill(...stateOf(stats));
  const { version, started_at: started, in_flight: inFlight, active_streams: active, store, config } = stats;
  keep(
    byId("facts"),
    [
      { name: "Store", text: `${store.kind}, ${store.up ? "up" : "away"}`, good: store.up },
      { name: "Active streams", text: streams(active, store), title: byRoute(active) },
      { name: "Requests in flight", text: inFlight.toLocaleString("en") },
      { name: "Running for", text: span(secondsSince(started)), title: moment(started) },
      { name: "Version", text: version },
      { name: "Configuration", text: config.hash, code: true },
      { name: "Loaded", text: `${span(secondsSince(config.loaded_at))} ago`, title: moment(config.loaded_at) },
    ],
    { key: ({ name }) => name, make: fact, update: updateFact },
  );
  const origins = stats.origins.map(({ origin, up }) => ({ name: origin, text: up ? "up" : "down", good: up }));
  const keys = stats.keys.map(({ source, age_seconds: age }) => ({
    name: source,
    text: age === null ? "never fetched" : `fetched ${span(age)} ago`,
    good: age !== null,
  }));
  list(byId("origins"), origins, "No route has an origin.");
  list(byId("keys"), keys, "All keys are in the configuration; none is fetched.");
}

// Every proxy knows those of all, unless the store is away.
const streams = (active, { kind, up }) => {
  const number = Object.values(active).reduce((sum, one) => sum + one, 0);
  return `${number.toLocaleString("en")}${kind === "redis" && up ? " on all proxies" : ""}`;
};

const byRoute = (active) => Object.entries(active).map(([route, number]) => `${route}: ${number}`).join(", ");

export function showLost() {
  pill("no connection", "bad");
}

const stateOf = ({ ready, draining }) => {
  if (draining) return ["draining", "fair"];
  return ready ? ["ready", "good"] : ["not ready", "bad"];
};

function pill(text, kind) {
  const element = byId("state");
  say(element, text);
  element.dataset.kind = kind;
}

function fact({ name }) {
  const row = made("div");
  row.append(made("dt", name), made("dd"));
  return row;
}

function updateFact(row, { text, title = "", good, code = false }) {
  fill(row, "dd", text);
  row.lastElementChild.title = title;
  row.lastElementChild.classList.toggle("code", code);
  mark(row.lastElementChild, good);
}

function list(holder, items, none) {
  const shown = items.length ? items : [{ name: none, text: "" }];
  keep(holder, shown, { key: ({ name }) => name, make: part, update: (element, { text, good }) => {
    say(element.lastElementChild, text);
    mark(element.lastElementChild, good);
  } });
}

function part({ name }) {
  const element = made("li");
  element.append(made("span", name), made("span"));
  return element;
}

/** Marks what is well or not; undefined is neither. */
function mark(element, good) {
  element.classList.toggle("good", good === true);
  element.classList.toggle("bad", good === false);
}
