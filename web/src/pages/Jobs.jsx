// Jobs.jsx - all jobs, newest first, by state and kind.

import { get, withQuery } from "../lib/api.js";
import { words } from "../lib/format.js";
import { maySubmit, session } from "../lib/session.js";
import { setQuery } from "../lib/router.js";
import { upsert, useResource } from "../lib/resource.js";
import { useStore } from "../lib/store.js";
import { Card, PageHead } from "../components/Page.jsx";
import { Empty, LoadError, Skeleton } from "../components/Empty.jsx";
import { JobTable } from "../components/Tables.jsx";
import { LoadMore } from "../components/LoadMore.jsx";

const STATES = ["running", "queued", "paused", "succeeded", "failed", "cancelled"];

function Filters({ query }) {
  const { data } = useResource((signal) => get("/kinds", signal), []);
  const change = (name) => (event) => setQuery({ ...query, [name]: event.target.value });
  return (
    <div class="filters" role="search" aria-label="Filter jobs">
      <label>
        <span class="sr">State</span>
        <select value={query.state || ""} onChange={change("state")}>
          <option value="">All states</option>
          {STATES.map((state) => (
            <option key={state} value={state}>
              {words(state)}
            </option>
          ))}
        </select>
      </label>
      <label>
        <span class="sr">Kind</span>
        <select value={query.kind || ""} onChange={change("kind")}>
          <option value="">All kinds</option>
          {(data?.kinds || []).map((kind) => (
            <option key={kind.name}>{kind.name}</option>
          ))}
        </select>
      </label>
    </div>
  );
}

export function Jobs({ query }) {
  const who = useStore(session);
  const { state = "", kind = "" } = query;
  const path = (after) => withQuery("/jobs", { state, kind, after });
  const fits = (job) => (!state || job.state === state) && (!kind || job.kind === kind);
  const { data, error, reload, change } = useResource((signal) => get(path(null), signal), [state, kind], {
    reduce: (old, name, event) => {
      if (name === "job") return { ...old, items: upsert(old.items, event, fits) };
      if (name === "job_removed") return { ...old, items: old.items.filter((job) => job.id !== event.id) };
      return old;
    },
  });
  const more = async (after) => {
    const answer = await get(path(after));
    change((old) => ({ items: [...old.items, ...answer.items], next: answer.next }));
  };
  return (
    <>
      <PageHead title="Jobs">
        <Filters query={query} />
        {maySubmit(who) && (
          <a class="button primary" href="#/jobs/new">
            New job
          </a>
        )}
      </PageHead>
      <LoadError error={error} reload={reload} />
      {!data && !error && <Skeleton rows={10} />}
      {data && data.items.length === 0 && (
        <Empty title={state || kind ? "No job fits the filter" : "There are no jobs yet"} icon="jobs">
          {state || kind ? (
            <button class="button" onClick={() => setQuery({})}>
              Show all
            </button>
          ) : (
            <p>
              {maySubmit(who) ? <a href="#/jobs/new">Submit the first one</a> : "This token may look, but not submit."}
            </p>
          )}
        </Empty>
      )}
      {data && data.items.length > 0 && (
        <Card flush>
          <JobTable jobs={data.items} />
        </Card>
      )}
      <LoadMore next={data?.next} load={more} />
    </>
  );
}
