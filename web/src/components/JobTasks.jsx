// JobTasks.jsx - the tasks of a job, by state; asked for anew when the job's counts of tasks change.

import { useEffect, useRef, useState } from "preact/hooks";
import { get, withQuery } from "../lib/api.js";
import { count, duration, words } from "../lib/format.js";
import { useResource } from "../lib/resource.js";
import { Ago } from "./Time.jsx";
import { LoadError, Skeleton } from "./Empty.jsx";
import { LoadMore } from "./LoadMore.jsx";
import { State } from "./Badge.jsx";

const RELOAD_MS = 800; // after a change of the counts, which come with the job
const STATES = ["leased", "failed", "pending", "done", "cancelled"];

function Row({ task }) {
  const took = task.ended_ms && task.leased_ms ? duration((task.ended_ms - task.leased_ms) / 1000) : "";
  return (
    <tr>
      <td class="num">{task.id}</td>
      <td>
        <State state={task.state} />
      </td>
      <td class="num nowrap">
        {count(task.done)} / {count(task.units)}
      </td>
      <td class="clip">{task.worker_name || ""}</td>
      <td class="num hide-s">{task.attempt || ""}</td>
      <td class="num hide-s nowrap">{took}</td>
      <td class="muted">
        {task.error ? (
          <span class="bad">{task.error.detail || task.error.title || String(task.error)}</span>
        ) : (
          <Ago ms={task.ended_ms || task.leased_ms} />
        )}
      </td>
    </tr>
  );
}

export function JobTasks({ job }) {
  const [state, setState] = useState(job.state === "running" ? "leased" : "done");
  const path = (after) => withQuery(`/jobs/${job.id}/tasks`, { state, after });
  const { data, error, reload, change } = useResource((signal) => get(path(null), signal), [job.id, state]);
  const paged = useRef(false);
  const { pending, leased, done, failed, cancelled } = job.tasks;
  useEffect(() => {
    paged.current = false;
  }, [state]);
  useEffect(() => {
    if (paged.current) return undefined; // whoever reads further down is not thrown back
    const timer = setTimeout(reload, RELOAD_MS);
    return () => clearTimeout(timer);
  }, [pending, leased, done, failed, cancelled]);
  const more = async (after) => {
    const answer = await get(path(after));
    paged.current = true;
    change((old) => ({ items: [...old.items, ...answer.items], next: answer.next }));
  };
  return (
    <>
      <div class="panel-head">
        <label class="row gap-2">
          <span class="muted">Show</span>
          <select value={state} onChange={(event) => setState(event.target.value)}>
            {STATES.map((name) => (
              <option key={name} value={name}>
                {words(name)} ({count(job.tasks[name])})
              </option>
            ))}
          </select>
        </label>
      </div>
      <LoadError error={error} reload={reload} />
      {!data && !error && <Skeleton rows={4} />}
      {data && data.items.length === 0 && <p class="panel-empty muted">No task is {state}.</p>}
      {data && data.items.length > 0 && (
        <table class="table task-table">
          <thead>
            <tr>
              <th scope="col">Task</th>
              <th scope="col">State</th>
              <th scope="col">{words(job.unit)}</th>
              <th scope="col">Worker</th>
              <th scope="col" class="hide-s">
                Attempt
              </th>
              <th scope="col" class="hide-s">
                Took
              </th>
              <th scope="col">When</th>
            </tr>
          </thead>
          <tbody>
            {data.items.map((task) => (
              <Row task={task} key={task.id} />
            ))}
          </tbody>
        </table>
      )}
      <LoadMore next={data?.next} load={more} />
    </>
  );
}
