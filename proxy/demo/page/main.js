// The page: who is watching, which players there are, and what became of each.

import * as api from "./api.js";
import { enginesFor, play } from "./engines.js";
import { explain, stopStream } from "./refusal.js";
import * as views from "./views.js";

const DEVICES = [
  "Living-room TV", "Kitchen tablet", "Phone", "Office laptop", "Bedroom TV", "Projector",
  "Train seat 42", "Garden shed",
];
const ENTRIES = { hls: "master.m3u8", dash: "manifest.mpd" };
const POLL_MS = 1000;
const ORIGIN_LINES = 9;
const players = new Set();
let known;
let viewer;
let session;
let format = "hls";
const favourite = {}; // of each format, the engine chosen last
let originSeen = 0;

async function begin() {
  known = await api.catalogue();
  views.shelf(known.titles, add);
  showFormats();
  await choose(known.viewers[0].user);
  setInterval(refresh, POLL_MS);
  setInterval(refreshOrigin, POLL_MS);
}

async function choose(user) {
  for (const player of players) close(player);
  viewer = known.viewers.find((one) => one.user === user);
  views.viewers(known.viewers, user, choose);
  await openSession();
  await refresh();
}

async function openSession() {
  const asking = viewer;
  const opened = await api.login(asking.user);
  if (asking === viewer) session = opened;
}

function showFormats() {
  const engines = Object.fromEntries(
    Object.keys(ENTRIES).map((name) => [name, enginesFor(name, known.players)]),
  );
  const missing = Object.values(known.players).includes(false);
  const none = Object.keys(ENTRIES).filter((name) => !engines[name].length);
  if (none.includes(format)) format = Object.keys(ENTRIES).find((name) => engines[name].length) ?? format;
  views.formats(Object.keys(ENTRIES), none, format, (chosen) => {
    format = chosen;
    showFormats();
  });
  if (!engines[format].includes(favourite[format])) [favourite[format]] = engines[format];
  views.engines(engines[format], favourite[format], missing, (chosen) => {
    favourite[format] = chosen;
    showFormats();
  });
}

function add(title, form) {
  const engine = favourite[format];
  if (!engine) return;
  const taken = new Set([...players].map((player) => player.device));
  const device = DEVICES.find((name) => !taken.has(name)) ?? `Screen ${players.size + 1}`;
  const player = { title, form, format, engine, device, halt: null, ticket: null };
  player.screen = new views.Screen(player, () => close(player));
  players.add(player);
  start(player);
}

async function start(player) {
  leave(player);
  const run = (player.run = Symbol("run")); // a second click makes the first one void
  player.screen.state("waiting", "Asking …");
  let token;
  try {
    ({ token } = await api.login(viewer.user, player.device));
  } catch (error) {
    failed(player, error.message);
    return;
  }
  if (!players.has(player) || player.run !== run) return;
  const path = `/${player.form}/${player.title.slug}/${ENTRIES[player.format]}`;
  const url = new URL(`${path}?${new URLSearchParams({ token })}`, location.href).href;
  const video = player.screen.newVideo();
  video.addEventListener("ended", () => finish(player));
  player.halt = play(player.engine, video, url, {
    admitted: (verdict) => admitted(player, verdict),
    refused: (problem) => refused(player, problem),
    failed: (text) => failed(player, text),
  });
}

function admitted(player, { stream, decision, streams, ticket }) {
  player.ticket = ticket;
  player.screen.state("playing", `${decision}, ${streams}`, stream);
  views.gate(200, `${nameOf(player)}: ${decision}, ${streams}`);
  refresh();
}

function refused(player, problem) {
  const { code, status, reason } = problem;
  const [heading, text] = explain(problem);
  leave(player);
  player.screen.state(code === "stream_limit" ? "refused" : "ended", `${status} ${code}`);
  views.gate(status, `${nameOf(player)}: ${code}${reason ? `, ${reason}` : ""}`);
  const again = () => start(player);
  if (code === "stream_limit") {
    const makeRoom = (stream) => stop(stream).then(again);
    player.screen.refused(heading, text, problem, known.titles, makeRoom, again);
  } else {
    const action = code === "stream_ended" ? "Watch again" : "Try again";
    player.screen.notice(heading, text, action, again);
  }
  refresh();
}

function failed(player, text) {
  release(player);
  player.screen.state("ended", "playback failed");
  player.screen.notice("It broke off", text, "Try again", () => start(player));
}

function finish(player) {
  release(player);
  player.screen.state("ended", "finished");
  player.screen.notice("The end", "The slot is free again.", "Watch again", () => start(player));
}

function close(player) {
  players.delete(player);
  release(player);
  player.screen.remove();
}

function leave(player) {
  player.halt?.();
  Object.assign(player, { halt: null, ticket: null });
}

function release(player) {
  const { ticket } = player;
  leave(player);
  if (!ticket) return;
  api.release(ticket);
  views.gate(204, `${nameOf(player)}: released`);
  setTimeout(refresh, 100);
}

async function stop(stream) {
  const { name } = views.describe(stream.content, known.titles);
  const stopped = await stopStream(location, stream.id, session.token).catch(() => false);
  views.gate(stopped ? 204 : 0, `${stream.device}, ${name}: ${stopped ? "stopped" : "not stopped"}`);
  await refresh();
}

async function refresh() {
  const asked = session;
  let list;
  try {
    list = await api.streams(asked.token);
  } catch (problem) {
    // Expired, or of a demo that was started anew. Anything else may fare better at the next poll.
    if (problem.code?.startsWith("token_")) await openSession().catch(() => {});
    return;
  }
  if (asked !== session) return;
  views.headline(viewer.name, list.streams.length, list.limit);
  views.slots(list.streams, list.limit, known.titles, stop);
}

async function refreshOrigin() {
  try {
    const log = await api.originLog(originSeen, ORIGIN_LINES);
    originSeen = log.total;
    views.origin(log);
  } catch {
    // as above
  }
}

const nameOf = (player) => `${player.device}, ${player.title.name}`;

// A page that is closed gives its slots back at once; one that crashes does so when they lapse.
addEventListener("pagehide", () => {
  for (const player of players) if (player.ticket) api.release(player.ticket);
});
addEventListener("pageshow", (event) => event.persisted && location.reload());

begin().catch((error) => {
  document.getElementById("headline").textContent = error.message;
});
