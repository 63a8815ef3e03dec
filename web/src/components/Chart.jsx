// Chart.jsx - lines over time or steps, drawn by uPlot in the page's colours.

import { useEffect, useMemo, useRef } from "preact/hooks";
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import { fineShare, number, percentOf } from "../lib/format.js";
import { palette } from "../lib/theme.js";
import { useStore } from "../lib/store.js";

const HEIGHT = 168;
const COLOURS = 4; // --chart-1 .. in tokens.css

function colours() {
  const style = getComputedStyle(document.documentElement);
  const of = (name) => style.getPropertyValue(name).trim();
  const lines = Array.from({ length: COLOURS }, (_, i) => of(`--chart-${i + 1}`));
  return { lines, fill: of("--chart-fill"), grid: of("--line"), text: of("--muted") };
}

/** Rates start at 0; other series get the room that their values need. */
function rangeFor(low, high, unit) {
  if (low === null || high === null) return [0, 1];
  if (unit || low === high) return [Math.min(0, low), high > 0 ? high * 1.15 : 1];
  const margin = (high - low) * 0.08;
  return [low - margin, high + margin];
}

/** Of a logarithmic axis only the powers of ten, over few decades also twice and five times them. */
function fewOfMany(u, splits) {
  const { min, max } = u.scales.y;
  const kept = max / min > 300 ? [1] : [1, 2, 5];
  return splits.map((value) => {
    const leading = Math.round(value / 10 ** Math.floor(Math.log10(value) + 1e-9));
    return kept.includes(leading) ? value : null;
  });
}

function axesFor({ time, log, share }) {
  const { grid, text } = colours();
  const axis = {
    stroke: text,
    font: "11px Inter, system-ui, sans-serif",
    grid: { stroke: grid, width: 1 },
    ticks: { show: false },
  };
  const show = share ? percentOf : number;
  const values = (_, ticks) => ticks.map((tick) => (tick === null ? "" : show(tick)));
  const few = log ? { filter: fewOfMany } : {};
  return [
    {
      ...axis,
      size: 28,
      space: 64,
      grid: { show: false },
      values: time ? timeTicks : (_, ticks) => ticks.map(number),
    },
    { ...axis, ...few, size: 50, space: log ? 18 : 34, values, grid: { ...axis.grid, ...few } },
  ];
}

function optionsFor({ width, time, unit, stepName, log, lines, share }) {
  const { lines: strokes, fill } = colours();
  return {
    width,
    height: HEIGHT,
    padding: [8, 24, 0, 0],
    legend: { show: false },
    cursor: { y: false, points: { size: 7 }, drag: { x: false, y: false } },
    scales: { x: { time }, y: log ? { distr: 3 } : { range: (_, low, high) => rangeFor(low, high, unit) } },
    axes: axesFor({ time, log, share }),
    series: [
      { label: time ? "time" : stepName },
      ...lines.map((line) => ({
        label: line.label,
        stroke: strokes[line.colour % COLOURS],
        width: 1.75,
        dash: line.dashed ? [5, 4] : undefined,
        fill: lines.length === 1 && !log ? fill : undefined,
        points: { show: line.data[0].length === 1, size: 7 },
        spanGaps: true,
      })),
    ],
  };
}

const tickTime = (options) => new Intl.DateTimeFormat(undefined, { hourCycle: "h23", ...options });
const withSeconds = tickTime({ hour: "2-digit", minute: "2-digit", second: "2-digit" });
const withMinutes = tickTime({ hour: "2-digit", minute: "2-digit" });
const withDays = tickTime({ month: "short", day: "numeric" });

function timeTicks(_, ticks, axis, space, step) {
  const format = step < 60 ? withSeconds : step < 86400 ? withMinutes : withDays;
  return ticks.map((seconds) => format.format(seconds * 1000));
}

/** One table of all lines over the union of their x, as uPlot wants it; a line has null where it has no point. */
export function joined(lines) {
  if (lines.length === 1) return lines[0].data;
  return uPlot.join(lines.map(({ data }) => data));
}

function spokenLine({ label, data: [, values] }, show) {
  if (!values.length) return `${label}: no values yet`;
  const [low, high] = [Math.min(...values), Math.max(...values)];
  return `${label}: ${values.length} values from ${show(low)} to ${show(high)}, the latest ${show(values.at(-1))}`;
}

function Legend({ lines, show }) {
  return (
    <ul class="legend">
      {lines.map(({ label, colour, dashed, data, note }) => (
        <li key={label}>
          <i class={`swatch chart-${(colour % COLOURS) + 1}${dashed ? " dashed" : ""}`} aria-hidden="true" />
          <span>{label}</span>
          <b class="num">{data[1].length ? show(data[1].at(-1)) : "–"}</b>
          {note && <span class="muted num">{note}</span>}
        </li>
      ))}
    </ul>
  );
}

/** The plot itself: made anew when what it is made of changes, else only given the new data. */
function usePlot(place, readout, data, options, keys) {
  const plot = useRef(null);
  useEffect(() => {
    const made = options(place.current.clientWidth);
    made.hooks = { setCursor: [(u) => (readout.current.textContent = options.readout(u))] };
    plot.current = new uPlot(made, data, place.current);
    const observer = new ResizeObserver(([entry]) => {
      const width = Math.floor(entry.contentRect.width);
      if (width && width !== plot.current.width) plot.current.setSize({ width, height: HEIGHT });
    });
    observer.observe(place.current);
    return () => {
      observer.disconnect();
      plot.current.destroy();
      plot.current = null;
    };
  }, keys);
  useEffect(() => plot.current?.setData(data), [data]);
}

/**
 * `lines` is [{label, data: [[x...], [y...]], colour: 0.., dashed, note}], x in seconds since 1970 when `time`. One line
 * stands without a legend. `headline`: what stands beside the title instead of the latest value. `share`: values of 0 to 1
 * that read as per cent. `tools`: controls beside the title.
 */
export function Chart({ title, lines, time = false, unit = "", stepName = "step", headline = null, ...look }) {
  const { log = false, share = false, tools = null } = look;
  const place = useRef(null);
  const readout = useRef(null);
  const colourVersion = useStore(palette);
  const data = useMemo(() => joined(lines), [lines]);
  const show = share ? fineShare : number;
  const pointName = (x) => (time ? new Date(x * 1000).toLocaleTimeString() : `${stepName} ${number(x)}`);
  const options = (width) => optionsFor({ width, time, unit, stepName, log, lines, share });
  options.readout = (u) => {
    const index = u.cursor.idx;
    if (index === null || index === undefined) return "";
    const values = u.data.slice(1).map((line) => line[index]);
    const there = values.map((value, i) => [value, i]).filter(([value]) => value !== null && value !== undefined);
    if (!there.length) return "";
    const text = there.map(([value, i]) => (lines.length > 1 ? `${lines[i].label} ` : "") + show(value));
    return `${pointName(u.data[0][index])}: ${text.join(", ")}`;
  };
  const shape = lines.map(({ label, colour, dashed, data: [x] }) => `${label} ${colour} ${dashed} ${x.length === 1}`);
  usePlot(place, readout, data, options, [colourVersion, title, time, unit, log, share, shape.join()]);
  const single = lines.length === 1 ? lines[0].data[1] : null;
  return (
    <figure class="chart">
      <figcaption>
        <span class="chart-title">{title}</span>
        <span class="chart-readout num" ref={readout} aria-hidden="true" />
        {tools}
        {single && (
          <b class="num">
            {headline ?? (single.length ? show(single.at(-1)) : "–")}{" "}
            {unit && !headline && <span class="muted">{unit}</span>}
          </b>
        )}
      </figcaption>
      {!single && <Legend lines={lines} show={show} />}
      <div
        class="chart-place"
        ref={place}
        role="img"
        aria-label={`${title}. ${lines.map((line) => spokenLine(line, show)).join(". ")} ${unit}`}
      />
    </figure>
  );
}
