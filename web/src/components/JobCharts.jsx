// JobCharts.jsx - throughput over time, and every metric that the job reports, also beside those of another job.

import { useMemo, useState } from "preact/hooks";
import { get, getAll, getLines, withQuery } from "../lib/api.js";
import { fineShare, meanOf, number, rate, timeBaseOf } from "../lib/format.js";
import { labelOf, valueText } from "../lib/labels.js";
import { addMetrics, bestOf, chartsOf, isFigure, latestOf, logScale, splitName, toLine } from "../lib/metrics.js";
import { addPoint, pointsFromTasks, rateSeries } from "../lib/throughput.js";
import { useResource } from "../lib/resource.js";
import { Card } from "./Page.jsx";
import { Chart } from "./Chart.jsx";

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
  const base = timeBaseOf(job);
  const lines = useMemo(
    () => [{ label: "Throughput", data: [series[0], series[1].map((x) => x * base.seconds)], colour: 0 }],
    [series, base.seconds],
  );
  const headline = `${rate(meanOf(job), job.unit, base)} on average`;
  return <Chart title="Throughput" unit={`${job.unit}/${base.name}`} lines={lines} headline={headline} time />;
}

function LogToggle({ on, title, onChange }) {
  return (
    <button
      type="button"
      class="chart-tool"
      aria-pressed={on}
      aria-label={`log scale: ${title}`}
      title="Logarithmic scale"
      onClick={() => onChange(!on)}
    >
      log
    </button>
  );
}

/** The lines of one chart: this job's, and dashed in the same colours the other job's. */
function linesOf(chart, otherSeries, otherId) {
  const colours = { "": 0, training: 0, validation: 1, test: 2 };
  const own = chart.lines.map(({ part, points }) => {
    const data = toLine(points);
    const best = bestOf(chart.base, data);
    const note = best && part === "validation" ? `best ${(chart.share ? fineShare : number)(best.value)}` : "";
    return { label: part || labelOf(chart.base), data, colour: colours[part], note };
  });
  const others = [...(otherSeries || [])]
    .filter(([name]) => splitName(name).base === chart.base)
    .map(([name, points]) => {
      const part = splitName(name).part || chart.lines.find((line) => line.name === name)?.part || "";
      return { label: `#${otherId} ${part}`.trim(), data: toLine(points), colour: colours[part], dashed: true };
    });
  return [...own, ...others];
}

function MetricChart({ chart, other, otherId }) {
  const lines = useMemo(() => linesOf(chart, other, otherId), [chart, other, otherId]);
  const { possible, better } = logScale(lines);
  const [chosen, setChosen] = useState(null);
  const title = labelOf(chart.base);
  const log = possible && (chosen ?? better);
  return (
    <Chart
      title={title}
      lines={lines}
      share={chart.share}
      log={log}
      tools={possible && <LogToggle on={log} title={title} onChange={setChosen} />}
    />
  );
}

/** Metrics with one value each, which is no curve: of an evaluation, or of a run of a few steps. */
function Figures({ charts, other, otherId }) {
  const own = charts.flatMap(({ base, lines }) =>
    lines.map(({ part, points }) => ({ base, part, value: [...points.values()][0], job: "" })),
  );
  const beside = [...(other || [])]
    .map(([name]) => ({ ...splitName(name), value: latestOf(other, name), job: ` of #${otherId}` }))
    .filter(({ base }) => charts.some((chart) => chart.base === base));
  return (
    <dl class="pairs figures">
      {[...own, ...beside].map(({ base, part, value, job }) => (
        <div key={`${part} ${base}${job}`}>
          <dt>
            {labelOf(part ? `${part}_${base}` : base)}
            {job}
          </dt>
          <dd class="num">{valueText(base, value)}</dd>
        </div>
      ))}
    </dl>
  );
}

/** Chooses another job of the same kind whose metrics are drawn too. */
function Compare({ job, chosen, onChange }) {
  const { data: jobs } = useResource(
    async (signal) => (await get(withQuery("/jobs", { kind: job.kind, limit: 100 }), signal)).items,
    [job.id],
  );
  const others = (jobs || []).filter((one) => one.id !== job.id && one.started_ms);
  if (!others.length) return null;
  return (
    <label class="row gap-2 compare">
      <span class="muted">Compare with</span>
      <select value={chosen} onChange={(event) => onChange(Number(event.target.value))}>
        <option value={0}>no other job</option>
        {others.map((one) => (
          <option key={one.id} value={one.id}>
            #{one.id} {one.name || one.kind}
          </option>
        ))}
      </select>
    </label>
  );
}

/** A job's metrics as they come in: a Map of Maps, null until they are loaded. */
export function useMetrics(id) {
  const { data } = useResource((signal) => loadMetrics(id, signal), [id], {
    reduce: (old, name, event) => (name === "metric" && event.job === id ? addMetrics(old, event.items) : old),
  });
  return data;
}

export function JobCharts({ job, series }) {
  const [otherId, setOtherId] = useState(0);
  const { data: other } = useResource((signal) => (otherId ? loadMetrics(otherId, signal) : new Map()), [otherId]);
  const charts = useMemo(() => chartsOf(series), [series]);
  if (!job.started_ms) return null;
  const figures = charts.filter((chart) => isFigure(chart, other));
  const curves = charts.filter((chart) => !figures.includes(chart));
  const counted = job.unit !== "runs"; // one run has no throughput; what it trains has, as a metric
  return (
    <Card
      title={counted || curves.length ? "Curves" : "Metrics"}
      class="charts-card"
      action={charts.length > 0 && <Compare job={job} chosen={otherId} onChange={setOtherId} />}
    >
      {(counted || curves.length > 0) && (
        <div class={`charts${counted ? "" : " charts-large"}`}>
          {counted && <Throughput job={job} />}
          {curves.map((chart) => (
            <MetricChart key={chart.base} chart={chart} other={other} otherId={otherId} />
          ))}
        </div>
      )}
      {figures.length > 0 && <Figures charts={figures} other={other} otherId={otherId} />}
      {!counted && !charts.length && <p class="muted">No metric has come in yet.</p>}
    </Card>
  );
}
