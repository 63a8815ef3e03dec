// Games.jsx - finished games, newest first, by job and player; and what is being played now.

import { useEffect, useState } from "preact/hooks";
import { get, withQuery } from "../lib/api.js";
import { setQuery } from "../lib/router.js";
import { upsert, useResource } from "../lib/resource.js";
import { Card, PageHead } from "../components/Page.jsx";
import { Empty, LoadError, Skeleton } from "../components/Empty.jsx";
import { GameTable } from "../components/Tables.jsx";
import { LoadMore } from "../components/LoadMore.jsx";

const TYPING_MS = 300;

function Filters({ query }) {
  const [player, setPlayer] = useState(query.player || "");
  const [job, setJob] = useState(query.job || "");
  useEffect(() => {
    if (player === (query.player || "") && job === (query.job || "")) return undefined;
    const timer = setTimeout(() => setQuery({ job: job.replace(/\D/g, ""), player }), TYPING_MS);
    return () => clearTimeout(timer);
  }, [player, job]);
  return (
    <div class="filters" role="search" aria-label="Filter games">
      <label>
        <span class="sr">Player</span>
        <input type="search" placeholder="Player" value={player} onInput={(event) => setPlayer(event.target.value)} />
      </label>
      <label>
        <span class="sr">Job number</span>
        <input
          type="search"
          class="short"
          inputMode="numeric"
          placeholder="Job"
          value={job}
          onInput={(event) => setJob(event.target.value)}
        />
      </label>
    </div>
  );
}

function NowPlaying() {
  const { data: jobs } = useResource(
    async (signal) => (await get(withQuery("/jobs", { state: "running", limit: 20 }), signal)).items,
    [],
    {
      reduce: (old, name, job) =>
        name === "job"
          ? upsert(old, job, (one) => one.state === "running").filter((one) => one.state === "running")
          : old,
    },
  );
  const playing = (jobs || []).filter((job) => job.unit === "games");
  if (!playing.length) return null;
  return (
    <p class="now-playing">
      <span class="muted">Now playing:</span>
      {playing.map((job) => (
        <a key={job.id} href={`#/jobs/${job.id}/live`}>
          {job.name || `job ${job.id}`}
        </a>
      ))}
    </p>
  );
}

export function Games({ query }) {
  const { job = "", player = "" } = query;
  const path = (after) => withQuery("/games", { job, player, after });
  const fits = (game) =>
    (!job || game.job === Number(job)) && (!player || game.black === player || game.white === player);
  const { data, error, reload, change } = useResource((signal) => get(path(null), signal), [job, player], {
    reduce: (old, name, game) => (name === "game" ? { ...old, items: upsert(old.items, game, fits) } : old),
  });
  const more = async (after) => {
    const answer = await get(path(after));
    change((old) => ({ items: [...old.items, ...answer.items], next: answer.next }));
  };
  const filtered = job || player;
  return (
    <>
      <PageHead title="Games" lead={<NowPlaying />}>
        <Filters query={query} />
      </PageHead>
      <LoadError error={error} reload={reload} />
      {!data && !error && <Skeleton rows={10} />}
      {data && data.items.length === 0 && (
        <Empty title={filtered ? "No game fits the filter" : "No game is finished yet"} icon="games">
          {filtered ? (
            <p>A player is named as in the list, for example “uct 1000”.</p>
          ) : (
            <p>
              <a href="#/jobs/new">Submit a job that plays games</a>; each is listed here when it ends.
            </p>
          )}
        </Empty>
      )}
      {data && data.items.length > 0 && (
        <Card flush>
          <GameTable games={data.items} />
        </Card>
      )}
      <LoadMore next={data?.next} load={more} />
    </>
  );
}
