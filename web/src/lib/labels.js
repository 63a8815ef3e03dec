// labels.js - the figures that runners send, as people read them: what each is called, and its value with its unit.

import { fineDuration, fineShare, number, percentOf, shareDigits, words } from "./format.js";

// What the parts of its name do not say well enough.
const LABELS = {
  beam_exact: "Exact with beam search",
  cpu_minutes: "Processor time",
  end: "Ended by",
  forfeited: "Forfeited games",
  greedy_exact: "Exact, greedy",
  kept: "Kept",
  kept_step: "Step of the kept weights",
  losses_a: "Losses of A",
  mean_moves: "Moves of a game",
  mse: "Squared error of the value",
  pairs_0: "Pairs A lost 0 to 2",
  pairs_1: "Pairs A lost ½ to 1½",
  pairs_2: "Pairs drawn 1 to 1",
  pairs_3: "Pairs A won 1½ to ½",
  pairs_4: "Pairs A won 2 to 0",
  resigned: "Resigned games",
  resigns: "Resigned games",
  wins_a: "Wins of A",
};
const ENDS = { budget: "its budget", patience: "its patience: no better validation", drained: "being asked to" };
const SHARE = /(^|_)(accuracy|dice|exact|iou|share|top1|top5)$/;

export const isShare = (name) => SHARE.test(name);

/** "cpu_minutes" as "Processor time", "samples_per_s" as "Samples per second", "test_top5" as "Test top-5 accuracy". */
export function labelOf(name) {
  if (Object.hasOwn(LABELS, name)) return LABELS[name];
  const text = words(name.replace(/_per_s$/, "_per_second").replace(/^held_out_/, "held-out_"));
  return /(^|_)top[15]$/.test(name) ? `${text} accuracy` : text;
}

/** Which two figures are the ends of another's interval: "greedy_low" is one of "greedy_exact". */
function intervalOf(name, data) {
  for (const stem of [name, name.replace(/_exact$/, "")]) {
    const [low, high] = [data[`${stem}_low`], data[`${stem}_high`]];
    if (Number.isFinite(low) && Number.isFinite(high)) return [low, high];
  }
  return null;
}

function isBound(name, data) {
  const stem = name.replace(/_(low|high)$/, "");
  return stem !== name && [stem, `${stem}_exact`].some((one) => one in data && intervalOf(one, data));
}

export function valueText(name, value) {
  if (name === "cpu_minutes" && typeof value === "number") return fineDuration(60 * value);
  if (name === "end") return ENDS[value] || String(value);
  if (name === "seed") return String(value);
  if (name === "family") return words(value);
  if (typeof value === "number") return isShare(name) ? fineShare(value) : number(value);
  return value && typeof value === "object" ? JSON.stringify(value) : String(value);
}

function withInterval(name, value, [low, high]) {
  if (!isShare(name)) return `${number(value)} (${number(low)} to ${number(high)})`;
  const bound = (share) => percentOf(share, shareDigits(value)).replace(" %", "");
  return `${fineShare(value)} (${bound(low)} to ${bound(high)})`;
}

/** A summary's figures, [{name, label, text, interval}], each with its interval: "93.4 % (92.9 to 93.9)". */
export function factsOf(data) {
  const names = Object.keys(data || {}).filter((name) => !isBound(name, data));
  return names.map((name) => {
    const interval = typeof data[name] === "number" ? intervalOf(name, data) : null;
    const text = interval ? withInterval(name, data[name], interval) : valueText(name, data[name]);
    return { name, label: labelOf(name), text, interval: Boolean(interval) };
  });
}
