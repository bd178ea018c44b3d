// The page: who is logged in, and what is asked for again and again.

import { AccountPanel } from "./account.js";
import { AdminApi, Failure, Unreachable, isRefusal } from "./api.js";
import { setClock } from "./clock.js";
import { byId, say } from "./dom.js";
import { showHealth, showLost } from "./health.js";
import { Poller } from "./poller.js";
import { Traffic } from "./traffic.js";

// sessionStorage: a reload must not ask for the token again, but it belongs to this tab and goes with
// it. A cookie would be sent by every page that can reach this port; localStorage would stay on disk.
const KEPT_AS = "playgate-admin-token";
const POLL_MS = 2000;
const TICK_MS = 1000;
// Two answers that are further apart than this say nothing of a rate.
const GAP_MS = 5 * POLL_MS;

const memory = tabMemory();
const poller = new Poller(poll, POLL_MS);
const panel = new AccountPanel(act, () => poller.now());
const traffic = new Traffic(byId("charts"), byId("tallies"), GAP_MS);
let session = null;
let answeredAt = null;

/** Gives sessionStorage, if the browser lets the page have any; null costs a login per reload. */
function tabMemory() {
  try {
    return sessionStorage;
  } catch {
    return null;
  }
}

async function greet(error = "") {
  show("login");
  say(byId("login-error"), error);
  if (await isClosed()) closed();
  else byId("token").focus();
}

/** Tells whether the proxy has no admin token at all. It says so to anybody. */
async function isClosed() {
  try {
    await new AdminApi("", new AbortController().signal).stats();
  } catch (error) {
    return error.code === "token_forbidden";
  }
  return false;
}

function closed() {
  byId("login-form").hidden = true;
  byId("closed").hidden = false;
}

async function logIn(event) {
  event.preventDefault();
  const token = byId("token").value.trim();
  const over = new AbortController();
  const api = new AdminApi(token, over.signal);
  say(byId("login-error"), "");
  try {
    await api.stats();
  } catch (error) {
    notLoggedIn(error);
    return;
  }
  byId("login-form").reset();
  memory?.setItem(KEPT_AS, token);
  enter(api, over);
  byId("account").focus();
}

function notLoggedIn(error) {
  if (error.code === "token_forbidden") closed();
  else say(byId("login-error"), error.message);
  byId("token").select();
}

function enter(api, over) {
  session = { api, over };
  show("console");
  poller.start();
}

function leave(reason = "") {
  session.over.abort();
  session = null;
  memory?.removeItem(KEPT_AS);
  poller.stop();
  panel.clear();
  found();
  greet(reason);
}

function show(which) {
  for (const id of ["login", "console"]) byId(id).hidden = id !== which;
  for (const id of ["state", "logout"]) byId(id).hidden = which !== "console";
}

async function poll() {
  const { api, over } = session;
  try {
    const [stats] = await Promise.all([api.stats(), panel.refresh(api)]);
    if (over.signal.aborted) return;
    setClock(stats.now);
    found();
    showHealth(stats);
    traffic.show(stats);
  } catch (error) {
    if (!over.signal.aborted) failed(error);
  }
}

/** Does something with the admin API for the operator; tells whether it was done. */
async function act(work) {
  const { api, over } = session;
  try {
    await work(api);
  } catch (error) {
    if (over.signal.aborted) return false;
    const known = error instanceof Failure ? "That was not done" : "It is not known whether that was done";
    panel.say(`${known}: ${error.message}`, true);
    if (!(error instanceof Failure) || isRefusal(error)) failed(error);
    return false;
  }
  await poller.now();
  return true;
}

function failed(error) {
  if (isRefusal(error)) {
    leave(error.status === 401 ? "The token does not hold any longer. Please log in again." : "");
  } else if (error instanceof Failure || error instanceof Unreachable) {
    lost(error);
  } else {
    throw error;
  }
}

function lost({ message, status }) {
  const what = status ? `The proxy cannot say how it is (${message}).` : "No connection to the proxy.";
  const since = answeredAt ? ` What you see is from ${answeredAt.toLocaleTimeString()}.` : "";
  say(byId("lost"), `${what}${since} Trying again every ${POLL_MS / 1000} seconds.`);
  byId("lost").hidden = false;
  document.body.classList.add("stale");
  showLost();
}

function found() {
  answeredAt = new Date();
  byId("lost").hidden = true;
  document.body.classList.remove("stale");
}

byId("login-form").addEventListener("submit", logIn);
byId("logout").addEventListener("click", () => leave());
setInterval(() => document.hidden || panel.tick(), TICK_MS);

const kept = memory?.getItem(KEPT_AS);
if (kept) {
  const over = new AbortController();
  enter(new AdminApi(kept, over.signal), over);
} else {
  greet();
}
