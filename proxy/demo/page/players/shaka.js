import { refusalIn } from "../refusal.js";

const BAD_HTTP_STATUS = 1001;

/** Stops Shaka and tells, once, when the entry or anything later is refused. */
export function onRefusal(player, tell) {
  // Of every attempt; "error" comes after the last of them, and not at all for the entry.
  player.addEventListener("downloadfailed", ({ error }) => {
    if (error?.code !== BAD_HTTP_STATUS) return;
    const [, , text, headers] = error.data;
    const problem = refusalIn((name) => headers[name], text);
    if (!problem) return;
    player.destroy();
    tell(problem);
  });
}
