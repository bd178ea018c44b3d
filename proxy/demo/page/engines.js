// Three ways to play, one interface. The players are as they come from npm, or the browser's own:
// they know nothing of Playgate. What is added here only listens to what they were answered.
//
//   play(engine, video, url, on) -> stop()
//   on.admitted({stream, decision, streams, ticket})   the entry manifest came
//   on.problem(problem)                                the proxy said no, now or later
//   on.failed(text)                                    anything else that ended playback

import { Problem, ask, heartbeat, problemOf, ticketIn } from "./api.js";

const NATIVE_TYPE = "application/vnd.apple.mpegurl";
// Seconds kept ahead. The films are so small that hls.js would load its utmost, ten minutes, at
// once: a burst in the origin's log that no film of a real size causes.
const AHEAD = 20;
// How often the browser's own player may begin anew. It reads the playlists of picture and sound
// one after the other; where a live one moves on in between, it finds no common ground and fails.
const NATIVE_ATTEMPTS = 3;

export function engineFor(format, installed) {
  if (format === "dash") return installed.dash ? "dash.js" : null;
  if (installed.hls && globalThis.MediaSource) return "hls.js";
  return document.createElement("video").canPlayType(NATIVE_TYPE) ? "browser" : null;
}

export function play(engine, video, url, on) {
  return { "hls.js": playHls, "dash.js": playDash, browser: playNative }[engine](video, url, on);
}

function playHls(video, url, on) {
  let stopped = false;
  let hls = null;
  load("hls").then(() => {
    if (stopped) return;
    const { Hls } = globalThis;
    // No worker: it would be a blob: script, which the page's security policy forbids.
    hls = new Hls({ enableWorker: false, maxBufferLength: AHEAD, maxMaxBufferLength: AHEAD });
    hls.on(Hls.Events.MANIFEST_LOADED, (_, { levels, networkDetails }) => {
      const header = (name) => networkDetails.getResponseHeader(name);
      on.admitted(verdict(header, ticketIn(levels[0].url)));
    });
    hls.on(Hls.Events.ERROR, (_, { fatal, details, networkDetails }) => {
      const problem = networkDetails && problemOfXhr(networkDetails);
      if (problem?.isFinal) on.problem(problem);
      else if (fatal) on.failed(problem?.message ?? details);
    });
    hls.loadSource(url);
    hls.attachMedia(video);
  }, () => on.failed("hls.js could not be loaded"));
  return () => {
    stopped = true;
    hls?.destroy();
  };
}

function problemOfXhr(xhr) {
  const binary = xhr.responseType === "arraybuffer";
  return problemOf(
    xhr.getResponseHeader("Content-Type"),
    binary ? xhr.response : xhr.responseText,
    xhr.getResponseHeader("Retry-After"),
  );
}

function playDash(video, url, on) {
  let stopped = false;
  let player = null;
  let admitted = false;
  load("dash").then(() => {
    if (stopped) return;
    player = globalThis.dashjs.MediaPlayer().create();
    player.updateSettings({ debug: { logLevel: globalThis.dashjs.Debug.LOG_LEVEL_NONE } });
    player.addResponseInterceptor(async (response) => {
      const headers = response.headers ?? {};
      const header = (name) => headers[name.toLowerCase()] ?? headers[name] ?? null;
      if (stopped) return response;
      if (response.status >= 400) {
        const problem = problemOf(
          header("Content-Type"), response.data ?? "", header("Retry-After"),
        );
        if (problem?.isFinal) on.problem(problem);
      } else if (!admitted && header("Playgate-Stream")) {
        admitted = true;
        on.admitted(verdict(header, ticketIn(String(response.data))));
      }
      return response;
    });
    player.on("error", ({ error }) => on.failed(error?.message ?? "dash.js gave up"));
    player.initialize(video, url, true);
  }, () => on.failed("dash.js could not be loaded"));
  return () => {
    stopped = true;
    // Not from within its own callback, where it would go on with what is gone.
    setTimeout(() => player?.destroy());
  };
}

// The browser's own player says nothing of what it was answered. So the page asks for the manifest
// first, which is the same stream, and asks what happened when playback breaks off.
function playNative(video, url, on) {
  let stopped = false;
  let ticket = null;
  let attempts = 0;
  const tell = (error) => {
    if (stopped) return;
    if (error instanceof Problem) on.problem(error);
    else on.failed("The proxy does not answer.");
  };
  const begin = () => {
    attempts += 1;
    video.src = url;
  };
  const broken = () => {
    const reason = video.error?.message || "The browser could not play this.";
    heartbeat(ticket).then(() => {
      if (stopped) return;
      if (attempts < NATIVE_ATTEMPTS) begin();
      else on.failed(reason);
    }, tell);
  };
  ask(url).then(async (response) => {
    ticket = ticketIn(await response.text());
    if (stopped) return;
    on.admitted(verdict((name) => response.headers.get(name), ticket));
    video.addEventListener("error", broken);
    begin();
  }).catch(tell);
  return () => {
    stopped = true;
    video.removeEventListener("error", broken);
    video.removeAttribute("src");
    video.load();
  };
}

function verdict(header, ticket) {
  return {
    stream: header("Playgate-Stream"),
    decision: header("Playgate-Decision"),
    streams: header("Playgate-Streams"),
    ticket,
  };
}

const loading = new Map();

function load(player) {
  if (!loading.has(player)) {
    loading.set(player, new Promise((resolve, reject) => {
      const script = document.createElement("script");
      script.src = `players/${player}.js`;
      script.onload = resolve;
      script.onerror = reject;
      document.head.append(script);
    }));
  }
  return loading.get(player);
}
