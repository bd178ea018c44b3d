import { refusalIn } from "../refusal.js";

/** Plays without a library. The element says nothing of its answers, so the page asks as well. */
export async function play(video, url, { refused, broken }) {
  const entry = await fetch(url); // the same stream as the element's own request
  const header = (name) => entry.headers.get(name);
  const text = await entry.text();
  const refusal = refusalIn(header, text);
  if (refusal) return refused(refusal);
  const ticket = /_sid=[\w.-]+/.exec(text)?.[0];
  const ask = async ({ type }) => {
    const beat = await fetch(new URL(`/_playgate/heartbeat?${ticket}`, url), { method: "POST" });
    const problem = refusalIn((name) => beat.headers.get(name), await beat.text());
    if (problem) {
      video.removeAttribute("src");
      video.load();
      refused(problem);
    } else if (type === "error") broken();
  };
  for (const trouble of ["error", "waiting"]) video.addEventListener(trouble, ask);
  video.src = url;
  return { header, text };
}
