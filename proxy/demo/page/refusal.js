// Understands what the proxy says when it will not play: problem+json (RFC 9457). What each player
// makes of such an answer differs; players/ has a module for each that finds it.

/** The refusal in an answer; null for anything else, a failure (5xx) that may pass included. */
export function refusalIn(header, body) {
  if (!header("content-type")?.startsWith("application/problem+json")) return null;
  try {
    const text = typeof body === "string" ? body : new TextDecoder().decode(body);
    const problem = { ...JSON.parse(text), retryAfter: header("retry-after") };
    return problem.status < 500 ? problem : null;
  } catch {
    return null;
  }
}

/** Stops one of the viewer's streams at the proxy of `url`. 404: it has just ended by itself. */
export async function stopStream(url, id, token) {
  const answer = await fetch(new URL(`/_playgate/streams/${id}`, url), {
    method: "DELETE",
    headers: { Authorization: `Bearer ${token}` },
  });
  return answer.ok || answer.status === 404;
}

/** What to tell the viewer: a heading and a sentence. */
export function explain({ code, reason, by, streams, detail }) {
  if (code === "stream_limit") {
    const devices = new Intl.ListFormat("en").format(streams.map((stream) => stream.device));
    return ["No screen left", `You are watching on ${devices}. Stop one, and this one starts.`];
  }
  if (code === "stream_ended") return ["Stopped", ENDED[reason]?.(by) ?? detail];
  if (code?.startsWith("token_")) return ["Sign in again", detail];
  return ["Not possible", detail];
}

const ENDED = {
  killed: (by) => (by === "operator" ? "By the service." : `From another screen: ${by}.`),
  superseded: (by) => `This device went on to something else${by ? `: ${by}` : ""}.`,
  evicted: () => "It made room for a newer stream.",
};
