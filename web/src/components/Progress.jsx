// Progress.jsx - how far a job is: done, in hand, and still to do.

import { count, leftText, progressShare, rate, unitOf } from "../lib/format.js";

export function Progress({ job, label = `Progress of ${job.name || `job ${job.id}`}` }) {
  const { total, leased } = job.units;
  const done = Math.max(job.units.done, job.state === "succeeded" ? 0 : job.progress * total);
  // A job that succeeded is complete, also when its score ended it before its last unit.
  const whole = job.state === "succeeded" ? done : total;
  const share = (n) => `${whole > 0 ? Math.min(100, (100 * n) / whole) : 0}%`;
  return (
    <div
      class={`progress progress-${job.state}`}
      role="progressbar"
      aria-label={label}
      aria-valuemin={0}
      aria-valuemax={total}
      aria-valuenow={done}
      aria-valuetext={`${count(job.units.done)} of ${count(total)} ${unitOf(job)}, ${progressShare(job)}`}
    >
      <div class="progress-done" style={{ width: share(done) }} />
      <div class="progress-leased" style={{ width: share(Math.min(leased, whole - done)) }} />
    </div>
  );
}

/** "740 of 1,000 games · 74 %", and unless `brief` "· 1.25 games/s · 3 min 28 s left" */
export function ProgressText({ job, brief = false }) {
  const { total, done } = job.units;
  const parts = [`${count(done)} of ${count(total)} ${unitOf(job)}`];
  if (job.state === "succeeded" && done < total) parts.push("ended early");
  else if (total > 0) parts.push(progressShare(job));
  if (!brief && job.state === "running" && job.rate_per_s > 0) parts.push(rate(job.rate_per_s, job.unit));
  const left = brief ? "" : leftText(job);
  if (left) parts.push(left === "ending" ? left : `${left} left`);
  return (
    <span class="progress-text num">
      {parts.map((part, i) => (
        <span key={i}>{part}</span>
      ))}
    </span>
  );
}
