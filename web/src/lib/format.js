// format.js - numbers, times and names for people.

const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const one = new Intl.NumberFormat("en", { maximumFractionDigits: 1 });
const precise = new Intl.NumberFormat("en", { maximumSignificantDigits: 3 });
const MINUS = "\u2212";

export const count = (n) => (Number.isFinite(n) ? whole.format(n) : "–");

export function number(n) {
  if (!Number.isFinite(n)) return "–";
  if (Number.isInteger(n)) return whole.format(n);
  if (n !== 0 && Math.abs(n) < 0.001) return n.toExponential(1);
  return Math.abs(n) >= 100 ? one.format(n) : precise.format(n);
}

export const percent = (part, total) => (total > 0 ? `${one.format((100 * part) / total)} %` : "–");

/** A share of 0 to 1: "93.4 %". */
export const percentOf = (share, digits = 1) => (Number.isFinite(share) ? `${(100 * share).toFixed(digits)} %` : "–");

/** How many digits a share has that is compared with others: more near the whole, where they matter. */
export const shareDigits = (share) => (share >= 0.98 && share < 1 ? 2 : 1);

/** Such a share: "99.46 %". */
export const fineShare = (share) => percentOf(share, shareDigits(share));

export function signed(n, digits = 0) {
  if (!Number.isFinite(n)) return "–";
  const text = Math.abs(n).toFixed(digits);
  if (Number(text) === 0) return text;
  return (n < 0 ? MINUS : "+") + text;
}

/** The time base in which a rate reads well: its seconds and its name. */
export function timeBase(perSecond) {
  if (perSecond >= 0.1) return { seconds: 1, name: "s" };
  return perSecond * 60 >= 0.1 ? { seconds: 60, name: "min" } : { seconds: 3600, name: "h" };
}

/** A rate in that base, or in the one that is given: "0.8 games/s", "4.5 games/min", "3 games/h". */
export function rate(perSecond, unit = "", base = timeBase(perSecond)) {
  if (!Number.isFinite(perSecond) || perSecond <= 0) return "–";
  return `${number(perSecond * base.seconds)} ${unit || "1"}/${base.name}`;
}

/** Units a second of a job from its start until its end, or until now; NaN before. */
export function meanOf(job) {
  const seconds = ((job.ended_ms || Date.now()) - job.started_ms) / 1000;
  return job.started_ms && seconds > 0 ? job.units.done / seconds : NaN;
}

export const meanRate = (job) => rate(meanOf(job), job.unit);

/** The one time base for all rates on a job's page, so that they can be compared: its mean's. */
export function timeBaseOf(job) {
  const mean = meanOf(job);
  return timeBase(mean > 0 ? mean : job.rate_per_s);
}

/** "8 s", "3 min 20 s", "2 h 5 min", "4 d 3 h". */
export function duration(seconds) {
  if (!Number.isFinite(seconds)) return "–";
  const s = Math.max(0, Math.round(seconds));
  if (s < 60) return `${s} s`;
  if (s < 3600) return s % 60 && s < 600 ? `${Math.floor(s / 60)} min ${s % 60} s` : `${Math.round(s / 60)} min`;
  if (s < 86400) return `${Math.floor(s / 3600)} h ${Math.floor((s % 3600) / 60)} min`;
  return `${Math.floor(s / 86400)} d ${Math.floor((s % 86400) / 3600)} h`;
}

/** The same with what is short in its own unit: "4 ms", "2.5 s". */
export function fineDuration(seconds) {
  if (!(seconds > 0) || seconds >= 10) return duration(seconds);
  return seconds < 1 ? `${Math.max(1, Math.round(1000 * seconds))} ms` : `${one.format(seconds)} s`;
}

/** What is left of a running job: "3 min 20 s", "ending" when that is nothing any more; "" while it is not known. */
export function leftText({ state, eta_s: eta }) {
  if (state !== "running" || !Number.isFinite(eta)) return "";
  return Math.round(eta) <= 0 ? "ending" : duration(eta);
}

/** How far a job is: "74.0 %". What is not over is never rounded up to the whole. */
export const progressShare = ({ state, progress }) =>
  percentOf(state === "succeeded" ? progress : Math.min(progress, 0.999));

export function ago(timeMs, nowMs) {
  const s = Math.round((nowMs - timeMs) / 1000);
  if (s < 5) return "just now";
  if (s < 60) return `${s} s ago`;
  if (s < 3600) return `${Math.floor(s / 60)} min ago`;
  if (s < 86400) return `${Math.floor(s / 3600)} h ago`;
  return `${Math.floor(s / 86400)} d ago`;
}

const UNITS = ["B", "KiB", "MiB", "GiB", "TiB"];

export function bytes(n) {
  if (!Number.isFinite(n)) return "–";
  let value = n;
  let unit = 0;
  while (value >= 1024 && unit < UNITS.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return `${unit && value < 100 ? one.format(value) : whole.format(value)} ${UNITS[unit]}`;
}

const clockTime = new Intl.DateTimeFormat(undefined, {
  hour: "2-digit",
  minute: "2-digit",
  second: "2-digit",
  hourCycle: "h23",
});
const dateTime = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short", hourCycle: "h23" });

export const clock = (timeMs) => clockTime.format(timeMs);
export const date = (timeMs) => dateTime.format(timeMs);

export const sentence = (text) => text.charAt(0).toUpperCase() + text.slice(1);

// What is not spelled like other words: whole names, and parts of names.
const NAMES = {
  c_puct: "PUCT constant (c)",
  lr: "Learning rate",
  "rl-policy": "RL policy",
  selfplay: "Self-play",
  "sl-policy": "SL policy",
  "tromp-taylor": "Tromp–Taylor",
};
const SPELLED = {
  alphago: "AlphaGo",
  api: "API",
  densenet: "DenseNet",
  dqn: "DQN",
  elo: "Elo",
  elo0: "Elo (H0)",
  elo1: "Elo (H1)",
  gnugo: "GNU Go",
  googlenet: "GoogLeNet",
  gtp: "GTP",
  int8: "int8",
  iou: "IoU",
  mse: "MSE",
  png: "PNG",
  puct: "PUCT",
  resnet: "ResNet",
  rl: "RL",
  seq2seq: "Seq2Seq",
  sgf: "SGF",
  sl: "SL",
  sprt: "SPRT",
  top1: "top-1",
  top5: "top-5",
  uct: "UCT",
  vgg: "VGG",
};

/** "black_wins" as "Black wins", "sl-policy" as "SL policy". */
export function words(name) {
  const text = String(name);
  if (Object.hasOwn(NAMES, text)) return NAMES[text];
  const parts = text.split(/[_.\s]+/).filter(Boolean);
  const spelled = parts.map((part) => part.replace(/[a-z0-9]+/gi, (word) => SPELLED[word] ?? word));
  const whole = spelled.join(" ");
  return /^int8\b/.test(whole) ? whole : sentence(whole);
}

/** What a job counts, as it reads after its total: "1 run", "1,000 games". */
export const unitOf = ({ unit, units }) => (units.total === 1 ? unit.replace(/s$/, "") : unit);

export const plural = (n, one_, many = `${one_}s`) => `${count(n)} ${n === 1 ? one_ : many}`;

/** Which of a job's chunks keep their bytes: "the newest 100 chunks of the last 2 h 0 min", "all chunks for ever". */
export function retentionText({ chunks, seconds }) {
  const newest = chunks === 1 ? "the newest chunk" : chunks ? `the newest ${count(chunks)} chunks` : "all chunks";
  return seconds ? `${newest} of the last ${duration(seconds)}` : `${newest} for ever`;
}

/** A size as "28×28", width first; where the two differ each by its name: "9 wide, 7 high". */
export const sizeText = (width, height) => (width === height ? `${width}×${height}` : `${width} wide, ${height} high`);

/** A game's result in words: "Black won by 3.5", "White won by resignation". */
export function resultText(result) {
  if (!result) return "";
  if (result === "0" || result === "Draw") return "Draw";
  if (result === "Void" || result === "?") return "No result";
  const winner = result.startsWith("B") ? "Black" : "White";
  const by = result.slice(2);
  if (/^R/i.test(by)) return `${winner} won by resignation`;
  if (/^T/i.test(by)) return `${winner} won on time`;
  if (/^F/i.test(by)) return `${winner} won by forfeit`;
  return by ? `${winner} won by ${by}` : `${winner} won`;
}
