// Overview.jsx - what happens now, on one screen.

import { useEffect, useMemo, useRef } from "preact/hooks";
import { activityOf, afterJob, afterWorker } from "../lib/activity.js";
import { get, withQuery } from "../lib/api.js";
import { bytes, count, duration, plural, rate, words } from "../lib/format.js";
import { liveKey } from "../lib/go.js";
import { maySubmit, session } from "../lib/session.js";
import { upsert, useResource } from "../lib/resource.js";
import { useStore } from "../lib/store.js";
import { Activity } from "../components/Activity.jsx";
import { Card, PageHead } from "../components/Page.jsx";
import { Empty, LoadError, Skeleton } from "../components/Empty.jsx";
import { GameTable } from "../components/Tables.jsx";
import { LiveBoard, NoLiveBoard } from "../components/LiveBoard.jsx";
import { Progress, ProgressText } from "../components/Progress.jsx";
import { State } from "../components/Badge.jsx";
import { Ago } from "../components/Time.jsx";

const ACTIVE = new Set(["queued", "running", "paused"]);
const GAMES_SHOWN = 8;
const STATS_MS = 3000; // at most this often

async function load(signal) {
  const list = (path, query) => get(withQuery(path, query), signal).then((answer) => answer.items);
  const [stats, running, queued, paused, latest, workers, games] = await Promise.all([
    get("/stats", signal),
    list("/jobs", { state: "running", limit: 50 }),
    list("/jobs", { state: "queued", limit: 20 }),
    list("/jobs", { state: "paused", limit: 20 }),
    list("/jobs", { limit: 30 }),
    list("/workers", { limit: 100 }),
    list("/games", { limit: GAMES_SHOWN }),
  ]);
  return { stats, jobs: [...running, ...queued, ...paused], workers, games, activity: activityOf(latest, workers) };
}

function reduce(data, name, event) {
  switch (name) {
    case "stats":
      return { ...data, stats: { ...data.stats, ...event } };
    case "job":
      return {
        ...data,
        activity: afterJob(data.activity, event),
        jobs: upsert(data.jobs, event, (job) => ACTIVE.has(job.state)).filter((job) => ACTIVE.has(job.state)),
      };
    case "job_removed":
      return { ...data, jobs: data.jobs.filter((job) => job.id !== event.id) };
    case "worker": {
      const before = data.workers.find((worker) => worker.id === event.id);
      const activity = afterWorker(data.activity, before, event, Date.now());
      return { ...data, activity, workers: upsert(data.workers, event) };
    }
    case "game": {
      if (data.games.some((game) => game.id === event.id)) return data;
      const stats = { ...data.stats, games: data.stats.games + 1 };
      return { ...data, stats, games: [event, ...data.games].slice(0, GAMES_SHOWN) };
    }
    default:
      return data;
  }
}

function Tile({ label, value, sub }) {
  return (
    <div class="tile">
      <dt>{label}</dt>
      <dd>
        <b class="num">{value}</b>
        <span class="sub">{sub}</span>
      </dd>
    </div>
  );
}

function throughput(jobs) {
  const perUnit = new Map();
  for (const job of jobs)
    if (job.state === "running") perUnit.set(job.unit, (perUnit.get(job.unit) || 0) + job.rate_per_s);
  const lines = [...perUnit].filter(([, perSecond]) => perSecond > 0).sort((a, b) => b[1] - a[1]);
  return lines.map(([unit, perSecond]) => rate(perSecond, unit));
}

function Tiles({ stats, jobs, workers }) {
  const rates = throughput(jobs);
  const running = jobs.filter((job) => job.state === "running").length;
  const waiting = jobs.length - running;
  const online = workers.filter((worker) => worker.online);
  const runners = online.reduce((sum, worker) => sum + (worker.runners || 0), 0);
  return (
    <dl class="tiles">
      <Tile
        label="Throughput"
        value={rates[0] || (running ? "Measuring" : "Idle")}
        sub={rates[1] || plural(running, "job runs", "jobs run")}
      />
      <Tile label="Jobs" value={count(running)} sub={waiting ? `${count(waiting)} waiting` : "none waits"} />
      <Tile label="Workers online" value={count(online.length)} sub={plural(runners, "runner")} />
      <Tile label="Games stored" value={count(stats.games)} sub={`${bytes(stats.chunk_bytes)} of experience`} />
      <Tile
        label="Free space"
        value={bytes(stats.free_bytes)}
        sub={stats.disk_full ? "too little: no new work" : `up for ${duration(stats.uptime_s)}`}
      />
    </dl>
  );
}

function ActiveJob({ job }) {
  return (
    <li class="active-job">
      <div class="row between gap-2">
        <a class="strong clip" href={`#/jobs/${job.id}`}>
          {job.name || `${words(job.kind)} ${job.id}`}
        </a>
        <State state={job.state} />
      </div>
      <Progress job={job} />
      <ProgressText job={job} />
      {job.reason && <p class="reason">{job.reason}</p>}
    </li>
  );
}

function ActiveJobs({ jobs }) {
  const who = useStore(session);
  const order = { running: 0, paused: 2, queued: 1 };
  const sorted = [...jobs].sort((a, b) => order[a.state] - order[b.state] || b.id - a.id);
  if (!sorted.length) {
    return (
      <Empty title="Nothing runs" icon="jobs">
        <p>A job is what the workers do: games to play, networks to train.</p>
        {maySubmit(who) && (
          <a class="button primary" href="#/jobs/new">
            Submit a job
          </a>
        )}
      </Empty>
    );
  }
  return (
    <ul class="active-jobs">
      {sorted.slice(0, 6).map((job) => (
        <ActiveJob job={job} key={job.id} />
      ))}
    </ul>
  );
}

function LiveGame({ jobs }) {
  const candidates = jobs.filter((job) => job.state === "running" && job.unit === "games").map((job) => job.id);
  const id = candidates.length ? Math.max(...candidates) : 0;
  const topics = useMemo(() => (id ? [`live:${id}`] : []), [id]);
  const { data: games } = useResource(
    async (signal) => (id ? (await get(`/jobs/${id}/live`, signal)).games : []),
    [id],
    { topics, reduce: (old, name, event) => (name === "live" && event.job === id ? event.games : old) },
  );
  const last = useRef({ id: 0, live: null });
  if (games?.[0]) last.current = { id, live: games[0] };
  // Between two games the board stays as the last one left it.
  const live = games?.[0] || (id && last.current.id === id ? last.current.live : null);
  return (
    <Card
      title="Live"
      class="live-card"
      action={
        id > 0 && (
          <a href={`#/jobs/${id}/live`} class="more">
            All live games
          </a>
        )
      }
    >
      {live ? (
        <LiveBoard live={live} href={`#/jobs/${id}/live?game=${liveKey(live)}`} coordinates />
      ) : (
        <NoLiveBoard>{id ? "Waiting for the first moves." : "Games appear here while they are played."}</NoLiveBoard>
      )}
    </Card>
  );
}

function WorkerList({ workers }) {
  if (!workers.length) {
    return (
      <Empty title="No worker has joined" icon="workers">
        <p>
          Jobs wait until one does. <a href="#/workers">Join this or another machine</a>
        </p>
      </Empty>
    );
  }
  return (
    <ul class="worker-list">
      {workers.slice(0, 6).map((worker) => (
        <li key={worker.id}>
          <span class="clip strong">{worker.name}</span>
          <State state={worker.state} />
          <span class="sub num">
            {plural(worker.runners, "runner")} ·{" "}
            {worker.online ? plural(worker.leased, "task") + " in hand" : <Ago ms={worker.seen_ms} />}
          </span>
        </li>
      ))}
    </ul>
  );
}

const More = ({ to, children }) => (
  <a href={to} class="more">
    {children}
  </a>
);

/** No event tells the stores' sizes: they are asked for again when games have come in. */
function useFreshStats(games, change) {
  const latest = games?.[0]?.id;
  const first = useRef(true);
  const timer = useRef(0);
  useEffect(() => () => clearTimeout(timer.current), []);
  useEffect(() => {
    if (latest === undefined) return;
    if (first.current) {
      first.current = false;
      return;
    }
    if (timer.current) return;
    timer.current = setTimeout(async () => {
      timer.current = 0;
      const stats = await get("/stats").catch(() => null);
      if (stats) change((old) => old && { ...old, stats });
    }, STATS_MS);
  }, [latest]);
}

export function Overview() {
  const who = useStore(session);
  const { data, error, reload, change } = useResource(load, [], { reduce });
  useFreshStats(data?.games, change);
  return (
    <>
      <PageHead title="Overview">
        {maySubmit(who) && (
          <a class="button primary" href="#/jobs/new">
            New job
          </a>
        )}
      </PageHead>
      <LoadError error={error} reload={reload} />
      {!data && !error && <Skeleton rows={8} />}
      {data && (
        <>
          {data.stats.disk_full && (
            <div class="notice notice-bad" role="alert">
              The disk of the coordinator is nearly full ({bytes(data.stats.free_bytes)} left). It hands out no new work
              until there is room.
            </div>
          )}
          <Tiles {...data} />
          <div class="overview">
            <Card title="Running and waiting" class="area-jobs" action={<More to="#/jobs">All jobs</More>}>
              <ActiveJobs jobs={data.jobs} />
            </Card>
            <LiveGame jobs={data.jobs} />
            <Card title="Latest games" class="area-games" flush action={<More to="#/games">All games</More>}>
              {data.games.length ? (
                <GameTable games={data.games} />
              ) : (
                <Empty title="No game is finished yet" icon="games">
                  <p>Finished games are listed here as they come in.</p>
                </Empty>
              )}
            </Card>
            <Card title="Workers" class="area-workers" action={<More to="#/workers">All workers</More>}>
              <WorkerList workers={data.workers} />
            </Card>
            <Card title="Activity" class="area-activity">
              <Activity lines={data.activity} />
            </Card>
          </div>
        </>
      )}
    </>
  );
}
