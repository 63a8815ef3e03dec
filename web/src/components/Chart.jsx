// Chart.jsx - one line over time or steps, drawn by uPlot in the page's colours.

import { useEffect, useRef } from "preact/hooks";
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import { number } from "../lib/format.js";
import { palette } from "../lib/theme.js";
import { useStore } from "../lib/store.js";

const HEIGHT = 168;

function colours() {
  const style = getComputedStyle(document.documentElement);
  const of = (name) => style.getPropertyValue(name).trim();
  return { line: of("--chart"), fill: of("--chart-fill"), grid: of("--line"), text: of("--muted") };
}

function optionsFor({ width, time, name, unit, stepName }) {
  const { line, fill, grid, text } = colours();
  const axis = {
    stroke: text,
    font: "11px Inter, system-ui, sans-serif",
    grid: { stroke: grid, width: 1 },
    ticks: { show: false },
  };
  return {
    width,
    height: HEIGHT,
    padding: [8, 24, 0, 0],
    legend: { show: false },
    cursor: { y: false, points: { size: 7 }, drag: { x: false, y: false } },
    scales: { x: { time }, y: { range: (_, low, high) => rangeFor(low, high, unit) } },
    axes: [
      {
        ...axis,
        size: 28,
        space: 64,
        grid: { show: false },
        values: time ? timeTicks : (_, ticks) => ticks.map(number),
      },
      { ...axis, size: 46, space: 34, values: (_, ticks) => ticks.map(number) },
    ],
    series: [
      { label: time ? "time" : stepName },
      { label: name, stroke: line, width: 1.75, fill, points: { show: false }, spanGaps: true },
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

/** Rates start at 0; other series get the room that their values need. */
function rangeFor(low, high, unit) {
  if (low === null || high === null) return [0, 1];
  if (unit || low === high) return [Math.min(0, low), high > 0 ? high * 1.15 : 1];
  const margin = (high - low) * 0.08;
  return [low - margin, high + margin];
}

/** `data` is [[x...], [y...]], x in seconds since 1970 when `time`. `headline`: what stands beside the title instead of the
 * latest value. */
export function Chart({ title, data, time = false, unit = "", stepName = "step", headline = null }) {
  const place = useRef(null);
  const readout = useRef(null);
  const plot = useRef(null);
  const colourVersion = useStore(palette);
  const values = data[1];
  const latest = values.length ? values.at(-1) : NaN;

  useEffect(() => {
    const options = optionsFor({ width: place.current.clientWidth, time, name: title, unit, stepName });
    options.hooks = {
      setCursor: [
        (u) => {
          const index = u.cursor.idx;
          const value = index === null || index === undefined ? null : u.data[1][index];
          readout.current.textContent =
            value === null || value === undefined ? "" : `${pointName(u.data[0][index])}: ${number(value)}`;
        },
      ],
    };
    const pointName = (x) => (time ? new Date(x * 1000).toLocaleTimeString() : `${stepName} ${number(x)}`);
    plot.current = new uPlot(options, data, place.current);
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
  }, [colourVersion, title, time, unit]);

  useEffect(() => plot.current?.setData(data), [data]);

  const low = values.length ? Math.min(...values) : NaN;
  const high = values.length ? Math.max(...values) : NaN;
  const spoken = values.length
    ? `${title}: ${values.length} values from ${number(low)} to ${number(high)}, the latest ${number(latest)} ${unit}`
    : `${title}: no values yet`;
  return (
    <figure class="chart">
      <figcaption>
        <span class="chart-title">{title}</span>
        <span class="chart-readout num" ref={readout} aria-hidden="true" />
        <b class="num">
          {headline ?? number(latest)} {unit && !headline && <span class="muted">{unit}</span>}
        </b>
      </figcaption>
      <div class="chart-place" ref={place} role="img" aria-label={spoken} />
    </figure>
  );
}
