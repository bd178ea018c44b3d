// Five ways to play, one interface. The players are as they come from npm, or the browser's own:
// they know nothing of Playgate. What is added is in players/: it listens to what they are answered.
//
//   play(engine, video, url, on) -> stop()
//   on.admitted({stream, decision, streams, ticket})   the entry manifest came
//   on.refused(problem)                                the proxy said no, now or later
//   on.failed(text)                                    anything else that ended playback

import { ticketIn } from "./api.js";
import * as dashjs from "./players/dashjs.js";
import * as hlsjs from "./players/hlsjs.js";
import * as native from "./players/native.js";
import * as shakaPlayer from "./players/shaka.js";
import * as videoJs from "./players/videojs.js";

const NATIVE_TYPE = "application/vnd.apple.mpegurl";
const TYPES = { hls: "application/x-mpegURL", dash: "application/dash+xml" };
// Seconds kept ahead. The films are so small that hls.js would load its utmost, ten minutes, at
// once: a burst in the origin's log that no film of a real size causes.
const AHEAD = 20;
// How often the browser's own player may begin anew. It reads the playlists of picture and sound
// one after the other; where a live one moves on in between, it finds no common ground and fails.
const NATIVE_ATTEMPTS = 3;
// Inline style sheets, which the page's security policy forbids; to be said before it loads.
globalThis.VIDEOJS_NO_DYNAMIC_STYLE = true;

const ENGINES = {
  "hls.js": { package: "hls", formats: ["hls"], start: startHlsJs },
  Shaka: { package: "shaka", formats: ["hls", "dash"], start: startShaka },
  "dash.js": { package: "dash", formats: ["dash"], start: startDashJs },
  "video.js": { package: "videojs", formats: ["hls", "dash"], start: startVideoJs },
  Browser: { package: null, formats: ["hls"], start: startNative },
};

/** Names the engines that can play a format here. */
export function enginesFor(format, installed) {
  const playsHls = document.createElement("video").canPlayType(NATIVE_TYPE) !== "";
  return Object.keys(ENGINES).filter((name) => {
    const { package: needed, formats } = ENGINES[name];
    return formats.includes(format) && (needed ? installed[needed] : playsHls);
  });
}

export function play(engine, video, url, on) {
  const { package: needed, start } = ENGINES[engine];
  let stop = null;
  let over = false;
  let known = false;
  const heard = {
    /** Looks whether an answer is the entry manifest. */
    manifest(header, text) {
      if (over || known || !header("playgate-stream")) return;
      known = true;
      on.admitted({
        stream: header("playgate-stream"),
        decision: header("playgate-decision"),
        streams: header("playgate-streams"),
        ticket: ticketIn(text),
      });
    },
    refused(problem) {
      if (over) return;
      over = true;
      stop = null; // its module has stopped it
      on.refused(problem);
    },
    failed(text) {
      if (!over) on.failed(text);
    },
  };
  load(needed).then(
    () => {
      if (!over) stop = start(video, url, heard);
    },
    () => heard.failed(`${engine} could not be loaded.`),
  );
  return () => {
    over = true;
    stop?.();
    stop = null;
  };
}

function startHlsJs(video, url, heard) {
  const { Hls } = globalThis;
  const hls = new Hls({ maxBufferLength: AHEAD, maxMaxBufferLength: AHEAD });
  hlsjs.onRefusal(hls, heard.refused);
  hls.on(Hls.Events.MANIFEST_LOADED, (_, { levels, networkDetails }) => {
    heard.manifest((name) => networkDetails.getResponseHeader(name), levels[0].url);
  });
  hls.on(Hls.Events.ERROR, (_, { fatal, details }) => fatal && heard.failed(details));
  hls.loadSource(url);
  hls.attachMedia(video);
  return () => hls.destroy();
}

function startShaka(video, url, heard) {
  const { shaka } = globalThis;
  const player = new shaka.Player();
  // A recoverable error is one that it goes on after.
  const failed = ({ code, severity }) => severity === 2 && heard.failed(`Shaka’s error ${code}.`);
  shakaPlayer.onRefusal(player, heard.refused);
  player.getNetworkingEngine().registerResponseFilter((_, { headers, data }) => {
    heard.manifest((name) => headers[name], new TextDecoder().decode(data));
  });
  player.addEventListener("error", ({ detail }) => failed(detail));
  player.attach(video).then(() => player.load(url)).catch(failed);
  return () => player.destroy();
}

function startDashJs(video, url, heard) {
  const { dashjs: library } = globalThis;
  const player = library.MediaPlayer().create();
  player.updateSettings({ debug: { logLevel: library.Debug.LOG_LEVEL_NONE } });
  dashjs.onRefusal(player, heard.refused);
  player.addResponseInterceptor(async (response) => {
    heard.manifest((name) => response.headers?.[name], String(response.data));
    return response;
  });
  player.on("error", ({ error }) => heard.failed(error?.message ?? "dash.js gave up."));
  player.initialize(video, url, true);
  return () => player.destroy();
}

function startVideoJs(video, url, heard) {
  // With the browser's controls; its own need its own style sheet.
  const player = globalThis.videojs(video, { children: ["mediaLoader"] });
  player.ready(() => player.tech(true).setControls(true));
  videoJs.onRefusal(player, heard.refused);
  player.on("xhr-hooks-ready", () => {
    player.tech(true).vhs.xhr.onResponse((request, error, { headers, body }) => {
      heard.manifest((name) => headers?.[name], String(body));
    });
  });
  player.on("error", () => heard.failed(player.error().message));
  const format = new URL(url).pathname.endsWith(".mpd") ? "dash" : "hls";
  player.src({ src: url, type: TYPES[format] });
  return () => player.dispose();
}

function startNative(video, url, heard) {
  let attempts = 1;
  let stopped = false;
  const stop = () => {
    stopped = true;
    video.removeAttribute("src");
    video.load();
  };
  const broken = () => {
    attempts += 1;
    if (attempts > NATIVE_ATTEMPTS) heard.failed(video.error?.message || "It cannot be played.");
    else video.src = url;
  };
  native.play(video, url, { refused: heard.refused, broken }).then(
    (entry) => {
      if (stopped) stop();
      else if (entry) heard.manifest(entry.header, entry.text);
    },
    () => heard.failed("The proxy does not answer."),
  );
  return stop;
}

const loading = new Map([[null, Promise.resolve()]]);

function load(name) {
  if (!loading.has(name)) {
    loading.set(name, new Promise((resolve, reject) => {
      const script = document.createElement("script");
      script.src = `npm/${name}.js`;
      script.onload = resolve;
      script.onerror = reject;
      document.head.append(script);
    }));
  }
  return loading.get(name);
}
