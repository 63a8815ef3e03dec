// Totals.jsx - the sums of a job's counters; those that count games also as shares.

import { number, percent } from "../lib/format.js";
import { labelOf } from "../lib/labels.js";
import { Card } from "./Page.jsx";

const SHARE = /(_wins|_losses|draws|wins|losses|wins_a|losses_a|resigns?|resigned|forfeited|void)$/;

export function Totals({ job }) {
  const totals = Object.entries(job.totals || {});
  if (!totals.length) return null;
  const games = job.totals.games;
  return (
    <Card title="Totals">
      <dl class="facts">
        {totals.map(([name, value]) => (
          <>
            <dt>{labelOf(name)}</dt>
            <dd class="num">
              {number(value)} {games > 0 && SHARE.test(name) && <span class="muted">{percent(value, games)}</span>}
            </dd>
          </>
        ))}
      </dl>
    </Card>
  );
}
