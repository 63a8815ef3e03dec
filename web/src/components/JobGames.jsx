// JobGames.jsx - the latest games of a job.

import { get } from "../lib/api.js";
import { upsert, useResource } from "../lib/resource.js";
import { GameTable } from "./Tables.jsx";
import { LoadError, Skeleton } from "./Empty.jsx";

const SHOWN = 20;

export function JobGames({ id }) {
  const {
    data: games,
    error,
    reload,
  } = useResource(async (signal) => (await get(`/jobs/${id}/games?limit=${SHOWN}`, signal)).items, [id], {
    reduce: (old, name, game) => (name === "game" && game.job === id ? upsert(old, game).slice(0, SHOWN) : old),
  });
  if (error) return <LoadError error={error} reload={reload} />;
  if (!games) return <Skeleton rows={5} />;
  if (!games.length) return <p class="panel-empty muted">No game is finished yet.</p>;
  return (
    <>
      <GameTable games={games} showJob={false} />
      <p class="panel-foot">
        <a href={`#/games?job=${id}`}>All games of this job</a>
      </p>
    </>
  );
}
