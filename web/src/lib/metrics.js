// metrics.js - a job's metrics as charts: which series belong together, on which scale, in which order.
//
// Names are those that runners send: "loss", "validation_loss", "lr", ... A word in front says of which part of the data a
// series tells; what follows it is what is measured, and makes one chart.

import { isShare } from "./labels.js";

const PARTS = { training: "training", train: "training", validation: "validation", valid: "validation", test: "test" };
const ORDER = ["loss", "accuracy", "top1", "top5", "score", "return", "lr"];
const IMPLIED = new Set(["progress", "epoch"]); // straight lines over the steps: the page's head says them
const SHOWN_POINTS = 1000;
const LOG_FROM = 50; // a chart whose values span more than this factor begins on a logarithmic scale

/** Metrics by name, each a Map step -> value: a repeated step replaces the old value. */
export function addMetrics(series, items) {
  const next = new Map(series);
  const copied = new Set();
  for (const { name, step, value } of items) {
    if (!copied.has(name)) next.set(name, new Map(next.get(name)));
    copied.add(name);
    next.get(name).set(step, value);
  }
  return next;
}

/** "validation_loss" is {base: "loss", part: "validation"}; without such a word the part is "". */
export function splitName(name) {
  const [, first, rest] = /^([a-z]+)_(.+)$/.exec(name) || [];
  return PARTS[first] ? { base: rest, part: PARTS[first] } : { base: name, part: "" };
}

/** The newest value of a metric; null without one. */
export function latestOf(series, name) {
  const points = series?.get(name);
  return points?.size ? [...points].reduce((a, b) => (b[0] >= a[0] ? b : a))[1] : null;
}

/** [[steps], [values]] in order, thinned evenly when there are more than a screen can show; the last is always kept. */
export function toLine(points) {
  const sorted = [...points].filter(([, value]) => Number.isFinite(value)).sort((a, b) => a[0] - b[0]);
  const every = Math.ceil(sorted.length / SHOWN_POINTS);
  const kept = every > 1 ? sorted.filter((_, i) => i % every === 0 || i === sorted.length - 1) : sorted;
  return [kept.map(([step]) => step), kept.map(([, value]) => value)];
}

const rank = (base) => (ORDER.includes(base) ? ORDER.indexOf(base) : ORDER.length);
const partRank = (part) => ["", "training", "validation", "test"].indexOf(part);

/** [{base, share, lines: [{name, part, points}]}]: the charts of a job, the telling ones first. */
export function chartsOf(series) {
  const charts = new Map();
  for (const [name, points] of series || []) {
    const { base, part } = splitName(name);
    if (IMPLIED.has(base)) continue;
    if (!charts.has(base)) charts.set(base, { base, share: isShare(base), lines: [] });
    charts.get(base).lines.push({ name, part, points });
  }
  for (const { lines } of charts.values()) {
    lines.sort((a, b) => partRank(a.part) - partRank(b.part));
    // A bare name beside a validation's is that of the data learnt from.
    if (lines.length > 1 && !lines[0].part) lines[0].part = "training";
  }
  return [...charts.values()].sort((a, b) => rank(a.base) - rank(b.base) || (a.base < b.base ? -1 : 1));
}

/** Whether a chart would be of single points alone, also beside another job's metrics: its values say more as figures. */
export function isFigure({ base, lines }, other) {
  const others = [...(other || [])].filter(([name]) => splitName(name).base === base).map(([, points]) => ({ points }));
  return [...lines, ...others].every(({ points }) => points.size < 2);
}

const valuesOf = (lines) => lines.flatMap((line) => line.data[1]);

/** Whether a logarithmic scale is possible for these lines, and whether it tells more. */
export function logScale(lines) {
  const values = valuesOf(lines);
  const possible = values.length > 1 && values.every((value) => value > 0);
  return { possible, better: possible && Math.max(...values) / Math.min(...values) > LOG_FROM };
}

/** The best value of a line and its step, where less or more is known to be better; null otherwise. */
export function bestOf(base, [steps, values]) {
  const less = base === "loss";
  if ((!less && !isShare(base)) || values.length < 2) return null;
  let at = 0;
  values.forEach((value, i) => {
    if (less ? value < values[at] : value > values[at]) at = i;
  });
  return { step: steps[at], value: values[at] };
}
