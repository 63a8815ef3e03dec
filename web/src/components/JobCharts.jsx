// JobCharts.jsx - throughput over time, and every metric that the job reports.

import { useMemo } from "preact/hooks";
import { getAll, getLines } from "../lib/api.js";
import { meanRate, words } from "../lib/format.js";
import { addPoint, pointsFromTasks, rateSeries } from "../lib/throughput.js";
import { useResource } from "../lib/resource.js";
import { Card } from "./Page.jsx";
import { Chart } from "./Chart.jsx";

const SHOWN_POINTS = 2000;

/** Metrics by name, each a Map step -> value: a repeated step replaces the old value. */
function addMetrics(series, items) {
  const next = new Map(series);
  const copied = new Set();
  for (const { name, step, value } of items) {
    if (!copied.has(name)) next.set(name, new Map(next.get(name)));
    copied.add(name);
    next.get(name).set(step, value);
  }
  return next;
}

async function loadMetrics(id, signal) {
  let series = new Map();
  await getLines(
    `/jobs/${id}/metrics`,
    (items) => {
      series = addMetrics(series, items);
    },
    signal,
  );
  return series;
}

/** [[steps], [values]], thinned evenly when there are more than a screen can show. */
function toData(points) {
  const sorted = [...points].filter(([, value]) => Number.isFinite(value)).sort((a, b) => a[0] - b[0]);
  const every = Math.ceil(sorted.length / SHOWN_POINTS);
  const kept = every > 1 ? sorted.filter((_, i) => i % every === 0 || i === sorted.length - 1) : sorted;
  return [kept.map(([step]) => step), kept.map(([, value]) => value)];
}

function Throughput({ job }) {
  const { data: points } = useResource(
    async (signal) => pointsFromTasks(job, await getAll(`/jobs/${job.id}/tasks`, { state: "done" }, 20, signal)),
    [job.id],
    {
      reduce: (old, name, event) =>
        name === "job" && event.id === job.id && event.state === "running"
          ? addPoint(old, Date.now(), event.units.done)
          : old,
    },
  );
  const series = useMemo(() => rateSeries(points || []), [points]);
  const perMinute = series[1].length > 0 && Math.max(...series[1]) < 1;
  const data = useMemo(() => (perMinute ? [series[0], series[1].map((x) => x * 60)] : series), [series, perMinute]);
  const headline = job.state === "running" ? null : `${meanRate(job)} on average`;
  return (
    <Chart title="Throughput" unit={`${job.unit}/${perMinute ? "min" : "s"}`} data={data} headline={headline} time />
  );
}

function MetricChart({ name, points }) {
  const data = useMemo(() => toData(points), [points]);
  return <Chart title={words(name)} data={data} />;
}

export function JobCharts({ job }) {
  const { data: series } = useResource((signal) => loadMetrics(job.id, signal), [job.id], {
    reduce: (old, name, event) => (name === "metric" && event.job === job.id ? addMetrics(old, event.items) : old),
  });
  if (!job.started_ms) return null;
  return (
    <Card class="charts">
      <Throughput job={job} />
      {[...(series || [])].map(([name, points]) => (
        <MetricChart key={name} name={name} points={points} />
      ))}
    </Card>
  );
}
