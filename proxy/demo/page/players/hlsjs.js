import { refusalIn } from "../refusal.js";

/** Stops hls.js and tells, once, when the entry or anything later is refused. */
export function onRefusal(hls, tell) {
  hls.on("hlsError", (_, { networkDetails: xhr }) => {
    if (!(xhr instanceof XMLHttpRequest)) return;
    const body = xhr.responseType === "arraybuffer" ? xhr.response : xhr.responseText;
    const problem = refusalIn((name) => xhr.getResponseHeader(name), body);
    if (!problem) return;
    hls.destroy(); // it would try each rendition, and each again
    tell(problem);
  });
}
