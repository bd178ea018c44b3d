import { refusalIn } from "../refusal.js";

/** Stops video.js and tells, once, when the entry or anything later is refused. */
export function onRefusal(player, tell) {
  player.on("xhr-hooks-ready", () => {
    player.tech(true).vhs.xhr.onResponse((request, error, response) => {
      const problem = refusalIn((name) => response.headers?.[name], response.body);
      if (!problem || player.isDisposed()) return;
      player.dispose(); // it would ask for a child again every few seconds, for ever
      tell(problem);
    });
  });
}
