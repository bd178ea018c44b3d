import { refusalIn } from "../refusal.js";

/** Stops dash.js and tells, once, when the entry or anything later is refused. */
export function onRefusal(player, tell) {
  let told = false;
  player.addResponseInterceptor(async (response) => {
    const problem = refusalIn((name) => response.headers?.[name], response.data);
    if (problem && !told) {
      told = true;
      setTimeout(() => {
        player.destroy(); // not at once: dash.js still goes on with the answer
        tell(problem);
      });
    }
    return response;
  });
}
