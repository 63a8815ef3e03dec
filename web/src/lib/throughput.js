// throughput.js - a job's rate over time, from when its tasks ended and from what was heard since.
//
// Both give points (time, units done so far). The rate of a bucket is the difference of that curve, interpolated between
// its points, over the bucket's width: so a task of 8 games counts for the whole time it took, not for its last instant.

const BUCKETS = 60;
const MIN_BUCKET_MS = 2000;

/** Points [time_ms, done], ascending, from the tasks of a job. */
export function pointsFromTasks(job, tasks) {
  const start = job.started_ms ?? job.created_ms;
  const ended = tasks.filter((task) => task.ended_ms && task.done > 0).sort((a, b) => a.ended_ms - b.ended_ms);
  const points = [[start, 0]];
  let done = 0;
  for (const task of ended) {
    done += task.done;
    points.push([task.ended_ms, done]);
  }
  return points;
}

/** Appends what a job's event says. Events in which nothing was finished say nothing about when the next will be. */
export function addPoint(points, timeMs, done) {
  const last = points.at(-1);
  if (last && (timeMs <= last[0] || done <= last[1])) return points;
  return [...points, [timeMs, done]];
}

function interpolate(points, time, from) {
  let i = from;
  while (i + 1 < points.length && points[i + 1][0] <= time) i += 1;
  const [t0, d0] = points[i];
  if (i + 1 >= points.length || time <= t0) return [d0, i];
  const [t1, d1] = points[i + 1];
  return [d0 + ((d1 - d0) * (time - t0)) / (t1 - t0), i];
}

/** [[seconds...], [units per second...]] for a chart. */
export function rateSeries(points) {
  if (points.length < 2) return [[], []];
  const begin = points[0][0];
  const end = points.at(-1)[0];
  const width = Math.max(MIN_BUCKET_MS, (end - begin) / BUCKETS);
  const times = [];
  const rates = [];
  let index = 0;
  let before = points[0][1];
  for (let t = begin + width; t <= end + 1; t += width) {
    const [done, at] = interpolate(points, Math.min(t, end), index);
    index = at;
    times.push((t - width / 2) / 1000);
    rates.push(((done - before) * 1000) / width);
    before = done;
  }
  return [times, rates];
}
