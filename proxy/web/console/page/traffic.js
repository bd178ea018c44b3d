// Draws what happens: three small charts, and tallies by name.

import { copyOf, fill, keep, made, say } from "./dom.js";
import { Rates, SERIES } from "./rates.js";

const WINDOW_MS = 120_000;
const [WIDTH, HEIGHT, MARGIN] = [120, 32, 1.5];
const CHARTS = { requests: "Requests", admissions: "Streams admitted", refusals: "Refusals" };
const TALLIES = {
  admissions: ["Decisions", "No player has asked yet."],
  refusals: ["Refusals by code", "Nothing was refused."],
  ended: ["Streams ended by reason", "No stream has ended."],
};

const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const small = new Intl.NumberFormat("en", { maximumFractionDigits: 1, minimumFractionDigits: 1 });
const rate = (number) => (number < 10 && number > 0 ? small : whole).format(number);

export class Traffic {
  #rates = new Rates(WINDOW_MS);
  #gap;
  #charts = {};
  #tallies = {};

  /** `gapMs` is the time after which two snapshots are too far apart to speak of a rate. */
  constructor(charts, tallies, gapMs) {
    this.#gap = gapMs;
    for (const [name, title] of Object.entries(CHARTS)) {
      charts.append((this.#charts[name] = copyOf("chart-template")));
      this.#charts[name].dataset.series = name;
      fill(this.#charts[name], "figcaption", title);
    }
    for (const [group, [title, none]] of Object.entries(TALLIES)) {
      tallies.append((this.#tallies[group] = copyOf("tally-template")));
      this.#tallies[group].dataset.group = group;
      fill(this.#tallies[group], "h3", title);
      fill(this.#tallies[group], ".none", none);
    }
  }

  show(stats) {
    this.#rates.take(stats, this.#gap);
    for (const name of Object.keys(CHARTS)) this.#draw(name, SERIES[name](stats.totals));
    for (const group of Object.keys(TALLIES)) this.#count(group, stats.totals[group] ?? {});
  }

  #draw(name, total) {
    const chart = this.#charts[name];
    const samples = this.#rates.samples;
    const latest = this.#rates.now(name);
    const most = Math.max(0, ...samples.map(({ rates }) => rates?.[name] ?? 0));
    const current = latest === null ? "–" : rate(latest);
    fill(chart, ".now strong", current);
    fill(chart, ".top-rate", `at most ${rate(most)}`);
    fill(chart, ".total", `${whole.format(total)} since start`);
    const [line, area] = paths(samples, name, most);
    chart.querySelector(".line").setAttribute("d", line);
    chart.querySelector(".area").setAttribute("d", area);
    const label = `${CHARTS[name]} per second: ${current} now, at most ${rate(most)} in two minutes`;
    chart.querySelector("svg").setAttribute("aria-label", label);
  }

  #count(group, totals) {
    const table = this.#tallies[group];
    const recent = this.#rates.recent(group);
    const rows = Object.entries(totals)
      .filter(([, total]) => total > 0)
      .sort(([one, a], [other, b]) => b - a || one.localeCompare(other));
    table.querySelector("table").hidden = rows.length === 0;
    table.querySelector(".none").hidden = rows.length > 0;
    const update = (element, [name, total]) => {
      const [, lately, ever] = element.children;
      say(lately, whole.format(recent[name] ?? 0));
      say(ever, whole.format(total));
      element.classList.toggle("still", !recent[name]);
    };
    keep(table.querySelector("tbody"), rows, { key: ([name]) => name, make: row, update });
  }
}

function row([name]) {
  const element = made("tr");
  const head = made("th", name.replaceAll("_", " "));
  head.scope = "row";
  element.append(head, made("td"), made("td"));
  return element;
}

/** Gives the line, broken at gaps, and the area below it. */
function paths(samples, name, most) {
  const end = samples.at(-1)?.at ?? 0;
  const x = (at) => (WIDTH * (1 - (end - at) / WINDOW_MS)).toFixed(2);
  const y = (value) => (HEIGHT - MARGIN - (value / (most || 1)) * (HEIGHT - 2 * MARGIN)).toFixed(2);
  const runs = [[]];
  for (const { at, rates } of samples) {
    if (rates) runs.at(-1).push(`${x(at)} ${y(rates[name])}`);
    else runs.push([]);
  }
  const drawn = runs.filter((points) => points.length > 1);
  const line = drawn.map((points) => `M${points.join("L")}`).join("");
  const area = drawn.map((points) => `M${below(points[0])}L${points.join("L")}L${below(points.at(-1))}Z`).join("");
  return [line, area];
}

const below = (point) => `${point.split(" ")[0]} ${HEIGHT}`;
