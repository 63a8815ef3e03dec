// Live.jsx - the games that a job's workers play now: all as small boards, or one large, followed to its end.

import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { get } from "../lib/api.js";
import { number } from "../lib/format.js";
import { liveKey, liveRecord } from "../lib/go.js";
import { useResource } from "../lib/resource.js";
import { Empty, LoadError, Skeleton } from "../components/Empty.jsx";
import { GameViewer } from "../components/GameViewer.jsx";
import { LiveBoard } from "../components/LiveBoard.jsx";
import { PageHead } from "../components/Page.jsx";
import { Players } from "../components/Badge.jsx";

async function load(id, signal) {
  const [job, live] = await Promise.all([get(`/jobs/${id}`, signal), get(`/jobs/${id}/live`, signal)]);
  return { job, games: live.games, finished: [] };
}

function reduce(data, id, name, event) {
  if (name === "live" && event.job === id) return { ...data, games: event.games };
  if (name === "job" && event.id === id) return { ...data, job: { ...data.job, ...event } };
  if (name === "game" && event.job === id) return { ...data, finished: [event, ...data.finished].slice(0, 20) };
  return data;
}

/** The stored record of a live game that ended: same players, at least as many moves as were seen. */
function storedAs(live, finished) {
  return finished.find(
    (game) =>
      game.task === (live.task ?? game.task) &&
      game.black === live.black &&
      game.white === live.white &&
      game.moves >= live.moves.length,
  );
}

function Ended({ live, finished, next, id }) {
  const game = storedAs(live, finished);
  return (
    <div class="card viewer-card" role="status">
      <p class="game-result">This game has ended</p>
      {game && (
        <p>
          <a href={`#/games/${game.id}`}>
            <Players game={game} />
          </a>{" "}
          <b class="num">{game.result}</b>
        </p>
      )}
      {next ? (
        <a class="button primary" href={`#/jobs/${id}/live?game=${liveKey(next)}`}>
          Watch the next one
        </a>
      ) : (
        <p class="muted">The next one appears here when it begins.</p>
      )}
    </div>
  );
}

/** One game; its last state is kept when it is no longer among the live ones. */
function Followed({ id, wanted, games, finished }) {
  const now = games.find((live) => liveKey(live) === wanted);
  const [last, setLast] = useState(now || null);
  const heard = useRef(null);
  useEffect(() => {
    if (now) setLast(now);
  }, [now]);
  heard.current = now || last;
  const live = heard.current;
  const record = useMemo(() => live && liveRecord(live), [live]);
  if (!live) {
    return (
      <Empty title="This game has ended" icon="games">
        <p>
          <a href={`#/games?job=${id}`}>Finished games of this job</a> or{" "}
          <a href={`#/jobs/${id}/live`}>what is played now</a>
        </p>
      </Empty>
    );
  }
  return (
    <GameViewer record={record} black={live.black} white={live.white} live={Boolean(now)} key={wanted}>
      {now ? (
        <div class="card viewer-card">
          <p class="row gap-2 live-now">
            <i class="pulse" aria-hidden="true" />
            <b>Live</b>
            <span class="muted num">
              {live.board}×{live.board}, komi {number(live.komi)}
              {live.worker_name && `, on ${live.worker_name}`}
            </span>
          </p>
        </div>
      ) : (
        <Ended live={live} finished={finished} next={games[0]} id={id} />
      )}
    </GameViewer>
  );
}

export function LivePage({ id, query }) {
  const topics = useMemo(() => [`live:${id}`, `job:${id}`], [id]);
  const { data, error, loading, reload } = useResource((signal) => load(id, signal), [id], {
    topics,
    reduce: (old, name, event) => reduce(old, id, name, event),
  });
  const wanted = query.game ?? null;
  const title = data ? `Live: ${data.job.name || `job ${id}`}` : "Live";
  return (
    <>
      <PageHead
        title={title}
        kicker={
          <>
            <a href={`#/jobs/${id}`}>Job {id}</a>
            {wanted !== null && (
              <>
                {" / "}
                <a href={`#/jobs/${id}/live`}>Live games</a>
              </>
            )}
          </>
        }
      />
      <LoadError error={error} reload={reload} />
      {loading && !data && <Skeleton rows={8} />}
      {data && wanted !== null && (
        <Followed id={id} wanted={wanted} games={data.games} finished={data.finished} key={wanted} />
      )}
      {data && wanted === null && data.games.length === 0 && (
        <Empty title="No game is being played" icon="games">
          <p>
            {data.job.reason || `The job is ${data.job.state}.`} <a href={`#/games?job=${id}`}>Its finished games</a>
          </p>
        </Empty>
      )}
      {data && wanted === null && data.games.length > 0 && (
        <div class="live-grid">
          {data.games.map((live) => (
            <div class="card" key={liveKey(live)}>
              <LiveBoard live={live} href={`#/jobs/${id}/live?game=${liveKey(live)}`} />
            </div>
          ))}
        </div>
      )}
    </>
  );
}
