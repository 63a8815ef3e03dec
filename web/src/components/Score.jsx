// Score.jsx - a two-sided result: the Elo difference with its 95 % interval, and how far the sequential test has come.

import { count, percent, signed } from "../lib/format.js";
import { Card } from "./Page.jsx";

const SCALES = [50, 100, 200, 400, 800, 1600];
const TEST_TEXT = {
  running: "undecided",
  accepted: "accepted: the first is stronger",
  rejected: "rejected: it is not",
};

const clamp = (x) => Math.max(0, Math.min(100, x));

/** A bound of the interval; null is beyond all numbers: nothing but wins, or nothing but losses. */
const bound = (elo, infinite) => (elo === null ? infinite : signed(elo));

/** The interval on a scale that is symmetrical about 0. */
function Interval({ score }) {
  const { elo, elo_low: low, elo_high: high } = score;
  const reach = Math.max(Math.abs(low ?? 0), Math.abs(high ?? 0), Math.abs(elo ?? 0));
  const scale = SCALES.find((limit) => limit >= reach) || SCALES.at(-1);
  const at = (x) => clamp(50 + (50 * x) / scale);
  const left = low === null ? 0 : at(low);
  const right = high === null ? 100 : at(high);
  return (
    <div class="interval" aria-hidden="true">
      <div class="interval-track">
        <i class="interval-zero" />
        <i class="interval-range" style={{ left: `${left}%`, width: `${right - left}%` }} />
        {elo !== null && <i class="interval-point" style={{ left: `${at(elo)}%` }} />}
      </div>
      <div class="interval-scale num">
        <span>{signed(-scale)}</span>
        <span>0</span>
        <span>{signed(scale)}</span>
      </div>
    </div>
  );
}

function WinBar({ score }) {
  const parts = [
    ["wins", score.wins],
    ["draws", score.draws],
    ["losses", score.losses],
  ];
  return (
    <div class="win-bar-block">
      <div class="win-bar" aria-hidden="true">
        {parts.map(([name, n]) => (
          <i key={name} class={`win-${name}`} style={{ width: `${score.games ? (100 * n) / score.games : 0}%` }} />
        ))}
      </div>
      <p class="num win-text">
        <span>{count(score.wins)} won</span>
        <span>{count(score.draws)} drawn</span>
        <span>{count(score.losses)} lost</span>
      </p>
    </div>
  );
}

function Sprt({ sprt }) {
  const at = (llr) => clamp((100 * (llr - sprt.lower)) / (sprt.upper - sprt.lower));
  const zero = at(0);
  const now = at(sprt.llr);
  return (
    <div class={`sprt sprt-${sprt.state}`}>
      <p class="row between baseline wrap gap-2">
        <span>
          <b>Sequential test</b>{" "}
          <span class="muted num">
            Elo {signed(sprt.elo0)} against {signed(sprt.elo1)}
          </span>
        </span>
        <span>{TEST_TEXT[sprt.state] || sprt.state}</span>
      </p>
      <div
        class="sprt-track"
        role="meter"
        aria-label="Log likelihood ratio"
        aria-valuemin={sprt.lower}
        aria-valuemax={sprt.upper}
        aria-valuenow={Math.max(sprt.lower, Math.min(sprt.upper, sprt.llr))}
      >
        <i class="sprt-fill" style={{ left: `${Math.min(zero, now)}%`, width: `${Math.abs(now - zero)}%` }} />
        <i class="sprt-zero" style={{ left: `${zero}%` }} />
      </div>
      <div class="interval-scale num">
        <span>reject {signed(sprt.lower, 2)}</span>
        <span>LLR {signed(sprt.llr, 2)}</span>
        <span>accept {signed(sprt.upper, 2)}</span>
      </div>
    </div>
  );
}

export function Score({ score }) {
  if (!score.games) return null;
  return (
    <Card title="Score">
      <div class="score">
        <p class="score-elo num">
          <b>{bound(score.elo, score.wins ? "+∞" : "−∞")}</b> Elo
          <span class="muted">
            95 % between {bound(score.elo_low, "−∞")} and {bound(score.elo_high, "+∞")}
          </span>
        </p>
        <p class="score-points num">
          <b>{percent(score.points, 1)}</b>
          <span class="muted">of the points in {count(score.games)} games</span>
        </p>
      </div>
      <Interval score={score} />
      <WinBar score={score} />
      {score.sprt && <Sprt sprt={score.sprt} />}
    </Card>
  );
}
