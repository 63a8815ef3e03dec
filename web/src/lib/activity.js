// activity.js - what has happened lately, a line each: jobs that ended, workers that joined, left, and came back.
//
// The lists tell what ended and who joined before the page was opened; events tell the rest. A worker's leaving is known
// only from events, since the lists hold its present state alone.

const KEPT = 30;
const ENDED = new Set(["succeeded", "failed", "cancelled"]);

const jobName = (job) => job.name || `${job.kind} ${job.id}`;

function jobLine(job) {
  return {
    key: `job ${job.id}`,
    time_ms: job.ended_ms,
    text: `${jobName(job)} ${job.state === "succeeded" ? "is done" : job.state === "failed" ? "has failed" : "was cancelled"}`,
    level: job.state === "failed" ? "bad" : job.state === "succeeded" ? "good" : "plain",
    href: `#/jobs/${job.id}`,
    detail: job.state === "failed" ? job.error?.detail || "" : "",
  };
}

const workerLine = (worker, what, time, level = "plain") => ({
  key: `worker ${worker.id} ${what} ${time}`,
  time_ms: time,
  text: `${worker.name} ${what}`,
  level,
  href: "#/workers",
  detail: "",
});

/** Newest first; of a line that is there already the older one stays. */
function merge(lines, added) {
  const known = new Set(lines.map(({ key }) => key));
  const fresh = added.filter(({ key }) => !known.has(key));
  if (!fresh.length) return lines;
  return [...fresh, ...lines].sort((a, b) => b.time_ms - a.time_ms).slice(0, KEPT);
}

/** The lines that lists of jobs and workers tell. */
export function activityOf(jobs, workers) {
  const ended = jobs.filter((job) => ENDED.has(job.state) && job.ended_ms).map(jobLine);
  const joined = workers.map((worker) => workerLine(worker, "joined", worker.created_ms, "good"));
  return merge([], [...ended, ...joined]);
}

/** `lines` with what an event of a job tells. */
export function afterJob(lines, job) {
  return ENDED.has(job.state) && job.ended_ms ? merge(lines, [jobLine(job)]) : lines;
}

/** `lines` with what an event of a worker tells; `before` is what was known of it, undefined for a new one. */
export function afterWorker(lines, before, worker, now) {
  if (!before) return merge(lines, [workerLine(worker, "joined", worker.created_ms, "good")]);
  if (before.online && !worker.online) return merge(lines, [workerLine(worker, "has left", now, "bad")]);
  if (!before.online && worker.online) return merge(lines, [workerLine(worker, "is back", now, "good")]);
  return lines;
}
