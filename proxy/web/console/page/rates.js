// Snapshots of counters become what happened between them. Knows nothing of the page.

// What begins a stream; the other results renew one, or begin none.
const BEGUN = ["admitted", "takeover", "provisional", "observed", "unchecked"];

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
    this.#last = { at, started, totals };
    if (last && at <= last.at && started === last.started) return;
    this.samples.push(last && continues(last, this.#last) && at - last.at <= gapMs ? between(last, this.#last) : gap(at));
    this.samples = this.samples.filter((sample) => sample.at > at - this.#window && sample.at <= at);
  }

  /** Gives each name's count within the window. */
  recent(group) {
    const counts = {};
    for (const { changes } of this.samples) {
      for (const [name, count] of Object.entries(changes?.[group] ?? {})) counts[name] = (counts[name] ?? 0) + count;
    }
    return counts;
  }
}

const gap = (at) => ({ at, rates: null, changes: null });

function continues(before, after) {
  if (before.started !== after.started || after.at <= before.at) return false;
  return Object.entries(before.totals).every(([group, counts]) =>
    Object.entries(counts).every(([name, count]) => (after.totals[group]?.[name] ?? 0) >= count),
  );
}

function between(before, after) {
  const seconds = (after.at - before.at) / 1000;
  const rates = {};
  for (const [name, of] of Object.entries(SERIES)) rates[name] = (of(after.totals) - of(before.totals)) / seconds;
  const changes = {};
  for (const [group, counts] of Object.entries(after.totals)) {
    const old = before.totals[group] ?? {};
    changes[group] = Object.fromEntries(Object.entries(counts).map(([name, count]) => [name, count - (old[name] ?? 0)]));
  }
  return { at: after.at, rates, changes };
}
