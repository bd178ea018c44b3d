// Puts what is known on the page. Decides nothing, asks nobody.

const FORMS = { live: "live", vod: "on demand" };
const FORMATS = { "master.m3u8": "HLS", "manifest.mpd": "DASH" };
const LOG_LINES = 9;

const byId = (id) => document.getElementById(id);
const copyOf = (template) => byId(template).content.cloneNode(true).firstElementChild;
const partsOf = (template) => byId(template).content.cloneNode(true);
const fill = (element, selector, text) => (element.querySelector(selector).textContent = text);
const clock = (date) => date.toLocaleTimeString("en-GB");

/** Tells what a stream's content is: "host/vod/tidewater/master.m3u8". */
export function describe(content, titles) {
  const [form, slug, file] = content.split("/").slice(1);
  const title = titles.find((one) => one.slug === slug);
  return {
    name: title?.name ?? content,
    what: [title?.name ?? content, FORMS[form], FORMATS[file]].filter(Boolean).join(" · "),
    poster: title ? `posters/${slug}.jpg` : "icon.svg",
  };
}

export function since(iso) {
  const seconds = Math.max(0, Math.round((Date.now() - Date.parse(iso)) / 1000));
  return seconds < 60 ? `${seconds} s` : `${Math.round(seconds / 60)} min`;
}

function choices(holder, options, chosen, choose) {
  holder.replaceChildren(
    ...options.map(({ value, label, detail, disabled }) => {
      const button = document.createElement("button");
      button.type = "button";
      button.disabled = Boolean(disabled);
      button.setAttribute("aria-pressed", String(value === chosen));
      button.append(label);
      if (detail) {
        const small = document.createElement("small");
        small.textContent = detail;
        button.append(small);
      }
      button.addEventListener("click", () => choose(value));
      return button;
    }),
  );
}

export function viewers(all, chosen, choose) {
  const options = all.map(({ user, name, plan, limit }) => ({
    value: user,
    label: name,
    detail: `${plan}, ${limit} ${limit === 1 ? "screen" : "screens"}`,
  }));
  choices(document.querySelector(".viewers"), options, chosen, choose);
}

export function formats(all, none, chosen, choose) {
  const options = all.map((value) => ({
    value,
    label: value.toUpperCase(),
    disabled: none.includes(value),
  }));
  choices(document.querySelector(".formats"), options, chosen, choose);
}

export function engines(names, chosen, missing, choose) {
  const options = names.map((value) => ({ value, label: value }));
  choices(document.querySelector(".engines"), options, chosen, choose);
  byId("engine-note").hidden = !missing;
}

export function shelf(titles, start) {
  document.querySelector(".shelf").replaceChildren(
    ...titles.map((title) => {
      const card = copyOf("title-template");
      card.querySelector("img").src = `posters/${title.slug}.jpg`;
      fill(card, "h3", title.name);
      fill(card, "p", title.line);
      for (const button of card.querySelectorAll("button")) {
        const { form } = button.dataset;
        button.setAttribute("aria-label", `Play ${title.name}, ${FORMS[form]}`);
        button.addEventListener("click", () => start(title, form));
      }
      return card;
    }),
  );
}

export function headline(name, active, limit) {
  const screens = limit === 1 ? "screen" : "screens";
  const full = active >= limit;
  let text = `${name} is watching on ${active} of ${limit} ${screens}`;
  if (active === 0) text = `${name} may watch on ${limit} ${screens}`;
  else if (full) text = `${name} is watching on ${limit === 1 ? "the only" : `all ${limit}`} ${screens}`;
  const outlook = full
    ? "The next player is refused, and its request never reaches the origin."
    : `Room for ${limit - active} more. Each player holds a slot for as long as it keeps asking.`;
  // A live region speaks on every change: only real ones may be made.
  for (const [id, words] of [["headline", text], ["outlook", outlook]]) {
    if (byId(id).textContent !== words) byId(id).textContent = words;
  }
  document.body.classList.toggle("full", full);
}

// Slots are kept from one update to the next, so that what changes can be seen to change.
const shown = new Map();

export function slots(streams, limit, titles, stop) {
  const row = document.querySelector(".slots");
  for (const [id, slot] of shown) {
    if (!streams.some((stream) => stream.id === id)) {
      slot.remove();
      shown.delete(id);
    }
  }
  for (const stream of streams) {
    if (!shown.has(stream.id)) shown.set(stream.id, newSlot(stream, titles, stop));
    update(shown.get(stream.id), stream);
  }
  const wanted = streams.map((stream) => shown.get(stream.id));
  const free = [...row.querySelectorAll(".free")];
  while (wanted.length < limit) wanted.push(free.shift() ?? freeSlot());
  for (const left of free) left.remove();
  // Moving an element starts its animation anew: only what is out of place is moved.
  wanted.forEach((slot, place) => {
    if (row.children[place] !== slot) row.insertBefore(slot, row.children[place] ?? null);
  });
}

function freeSlot() {
  const slot = document.createElement("li");
  slot.className = "slot free";
  slot.textContent = "Free";
  return slot;
}

function newSlot(stream, titles, stop) {
  const slot = copyOf("slot-template");
  const { what, poster } = describe(stream.content, titles);
  slot.querySelector("img").src = poster;
  fill(slot, ".device", stream.device);
  fill(slot, ".what", what);
  const button = slot.querySelector(".stop");
  button.setAttribute("aria-label", `Stop ${what} on ${stream.device}`);
  button.addEventListener("click", () => stop(stream));
  return slot;
}

function update(slot, stream) {
  const [seen, expires] = [stream.last_seen_at, stream.expires_at].map(Date.parse);
  const left = (expires - Date.now()) / Math.max(1, expires - seen);
  slot.style.setProperty("--left", Math.min(1, Math.max(0, left)).toFixed(3));
  const beats = String(stream.beats);
  if (slot.dataset.beats !== undefined && slot.dataset.beats !== beats) {
    slot.querySelector(".fuse").animate([{ opacity: 1 }, { opacity: 0.45 }], 700);
  }
  slot.dataset.beats = beats;
}

/** A player's card; the caller owns what its buttons do. */
export class Screen {
  constructor(player, close) {
    this.element = copyOf("screen-template");
    this.film = this.element.querySelector(".film");
    this.panel = this.element.querySelector(".panel");
    this.element.dataset.form = player.form;
    fill(this.element, ".device", player.device);
    fill(this.element, ".what", `${player.title.name} · ${FORMS[player.form]} · ${player.engine}`);
    const button = this.element.querySelector(".close");
    button.setAttribute("aria-label", `Close ${player.device}`);
    button.addEventListener("click", close);
    document.querySelector(".screens").append(this.element);
    document.querySelector(".empty").hidden = true;
    this.element.scrollIntoView({ block: "nearest" });
  }

  /** Gives an untouched element: a player leaves its own in any state, or takes it away. */
  newVideo() {
    const video = copyOf("video-template");
    video.muted = true; // a clone is not, whatever its attribute says
    this.film.replaceChildren(video);
    return video;
  }

  state(name, verdict = "", stream = "") {
    this.element.dataset.state = name;
    fill(this.element, ".verdict", verdict);
    fill(this.element, ".stream", stream);
    this.panel.hidden = name === "waiting" || name === "playing";
    this.film.hidden = !this.panel.hidden;
    if (this.panel.hidden) this.panel.replaceChildren();
  }

  refused(heading, text, { streams, status, code, rule, retryAfter }, titles, stop, again) {
    const parts = partsOf("refusal-template");
    fill(parts, "h4", heading);
    fill(parts, ".why", text);
    fill(parts, ".small", `${status} ${code}, limit by ${rule}. A slot may lapse in ${retryAfter}\u00a0s.`);
    parts.querySelector(".conflicts").append(
      ...streams.map((stream) => {
        const item = copyOf("conflict-template");
        const { name, poster } = describe(stream.content, titles);
        item.querySelector("img").src = poster;
        fill(item, ".device", stream.device);
        fill(item, ".what", `${name}, for ${since(stream.started_at)}`);
        const button = item.querySelector("button");
        button.setAttribute("aria-label", `Stop ${name} on ${stream.device}`);
        button.addEventListener("click", () => stop(stream));
        return item;
      }),
    );
    parts.querySelector(".again").addEventListener("click", again);
    this.panel.replaceChildren(parts);
  }

  notice(heading, text, action, again) {
    const parts = partsOf("notice-template");
    fill(parts, "h4", heading);
    fill(parts, ".why", text);
    fill(parts, ".again", action);
    parts.querySelector(".again").addEventListener("click", again);
    this.panel.replaceChildren(parts);
  }

  remove() {
    this.element.remove();
    document.querySelector(".empty").hidden = Boolean(document.querySelector(".screen"));
  }
}

function line(log, when, kind, status, text) {
  const item = document.createElement("li");
  item.className = kind;
  for (const [tag, content] of [["time", clock(when)], ["b", status], ["span", text]]) {
    const part = document.createElement(tag);
    part.textContent = content;
    item.append(part);
  }
  log.prepend(item);
  while (log.children.length > LOG_LINES) log.lastElementChild.remove();
}

export function gate(status, text) {
  const kind = status < 300 ? "good" : "bad";
  line(byId("gate-log"), new Date(), kind, String(status), text);
}

export function origin({ total, requests }) {
  byId("origin-total").textContent = total.toLocaleString("en");
  for (const { at, path, status } of requests) {
    line(byId("origin-log"), new Date(at), status < 400 ? "good" : "bad", String(status), path);
  }
}
