// JobLog.jsx - the end of a job's log, growing as it does; stays at the end while that is what is looked at.

import { useLayoutEffect, useRef } from "preact/hooks";
import { getLines } from "../lib/api.js";
import { clock } from "../lib/format.js";
import { useResource } from "../lib/resource.js";
import { LoadError, Skeleton } from "./Empty.jsx";

const KEPT_LINES = 1000;

const keyOf = (line) => `${line.time_ms} ${line.task} ${line.attempt} ${line.text}`;

/** Adds what is not among the last lines already: what came by event may have been loaded too. */
function append(lines, items) {
  const seen = new Set(lines.slice(-200).map(keyOf));
  return [...lines, ...items.filter((line) => !seen.has(keyOf(line)))].slice(-KEPT_LINES);
}

async function load(id, signal) {
  let lines = [];
  await getLines(
    `/jobs/${id}/log`,
    (items) => {
      lines = [...lines, ...items].slice(-KEPT_LINES);
    },
    signal,
  );
  return lines;
}

export function JobLog({ id }) {
  const {
    data: lines,
    error,
    reload,
  } = useResource((signal) => load(id, signal), [id], {
    reduce: (old, name, event) => (name === "log" && event.job === id ? append(old, event.items) : old),
  });
  const box = useRef(null);
  const pinned = useRef(true);
  useLayoutEffect(() => {
    if (box.current && pinned.current) box.current.scrollTop = box.current.scrollHeight;
  }, [lines]);
  const scrolled = () => {
    const { scrollTop, scrollHeight, clientHeight } = box.current;
    pinned.current = scrollHeight - scrollTop - clientHeight < 24;
  };
  if (error) return <LoadError error={error} reload={reload} />;
  if (!lines) return <Skeleton rows={6} />;
  if (!lines.length)
    return <p class="panel-empty muted">Nothing has been logged. What the runners write to stderr appears here.</p>;
  return (
    <div class="log" role="log" aria-label="Log" tabIndex={0} ref={box} onScroll={scrolled}>
      {lines.map((line, i) => (
        <div class={`log-line log-${line.level}`} key={i}>
          <span class="muted num">{clock(line.time_ms)}</span>
          <span class="muted num log-task">
            {line.task ? `task ${line.task}` : ""}
            {line.attempt > 1 ? `.${line.attempt}` : ""}
          </span>
          <span class="log-text">
            {line.level !== "info" && <b>{line.level} </b>}
            {line.text}
          </span>
        </div>
      ))}
    </div>
  );
}
