// Snapshots of counters become what happened between them. Knows nothing of the page.

// What begins a stream; the other results renew one, or begin none.
const BEGUN = ["admitted", "takeover", "provisional", "observed", "unchecked"];

// Two snapshots that are closer than this say nothing of a rate: one request would be fifty a second.
const CLOSE_MS = 1000;
// A number that is read must not jump with every player that comes.
const AVERAGE_MS = 10_000;

const sum = (counts) => Object.values(counts).reduce((total, count) => total + count, 0);
const among = (counts, names) => names.reduce((total, name) => total + (counts[name] ?? 0), 0);

/** The totals that are drawn. */
export const SERIES = {
  requests: ({ requests }) => sum(requests),
  admissions: ({ admissions }) => among(admissions, BEGUN),
  refusals: ({ refusals }) => sum(refusals),
};

export class Rates {
  #window;
  #last = null;
  samples = [];

  /** `window` is how far back samples are kept, in milliseconds. */
  constructor(windowMs) {
    this.#window = windowMs;
  }

  /**
   * Takes a snapshot. Counters that began anew, by a restart, have no difference to the old ones:
   * that sample is a gap, and so is the time in which nobody asked.
   */
  take({ now, started_at: started, totals }, gapMs) {
    const at = Date.parse(now);
    const last = this.#last;
    if (last?.started === started && Math.abs(at - last.at) < CLOSE_MS) return;
    this.#last = { at, started, totals };
    const follows = last && continues(last, this.#last) && at - last.at <= gapMs;
    this.samples.push(follows ? between(last, this.#last) : gap(at));
    this.samples = this.samples.filter((sample) => sample.at > at - this.#window && sample.at <= at);
  }

  /** Gives how many per second there were of late; null where nothing is known. */
  now(name) {
    const end = this.samples.at(-1)?.at;
    const late = this.samples.filter(({ at, rates }) => rates && at > end - AVERAGE_MS);
    const seconds = late.reduce((total, sample) => total + sample.seconds, 0);
    const count = late.reduce((total, sample) => total + sample.rates[name] * sample.seconds, 0);
    return seconds ? count / seconds : null;
  }

  /** Gives each name's count within the window. */
  recent(group) {
    const counts = {};
    for (const { changes } of this.samples) {
      for (const [name, count] of Object.entries(changes?.[group] ?? {})) {
        counts[name] = (counts[name] ?? 0) + count;
      }
    }
    return counts;
  }
}

const gap = (at) => ({ at, seconds: 0, rates: null, changes: null });

function continues(before, after) {
  if (before.started !== after.started || after.at <= before.at) return false;
  return Object.entries(before.totals).every(([group, counts]) =>
    Object.entries(counts).every(([name, count]) => (after.totals[group]?.[name] ?? 0) >= count),
  );
}

function between(before, after) {
  const seconds = (after.at - before.at) / 1000;
  const rates = {};
  for (const [name, of] of Object.entries(SERIES)) {
    rates[name] = (of(after.totals) - of(before.totals)) / seconds;
  }
  const changes = {};
  for (const [group, counts] of Object.entries(after.totals)) {
    const old = before.totals[group] ?? {};
    const grown = Object.entries(counts).map(([name, count]) => [name, count - (old[name] ?? 0)]);
    changes[group] = Object.fromEntries(grown);
  }
  return { at: after.at, seconds, rates, changes };
}
