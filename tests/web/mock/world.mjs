// world.mjs - what the mock coordinator knows: jobs that run by themselves, workers, games and their moves.

import { check, kinds } from "./kinds.mjs";
import { generator, playGame, toSgf } from "./play.mjs";
import { train } from "./training.mjs";

const MINUTE = 60000;
const HOUR = 60 * MINUTE;

export class World {
  constructor(seed = 1) {
    this.random = generator(seed);
    this.jobs = [];
    this.workers = [];
    this.games = [];
    this.moves = new Map();
    this.tokens = [];
    this.logs = new Map();
    this.metrics = new Map();
    this.tasks = new Map();
    this.live = new Map();
    this.reports = new Map(); // of a job: [{name, step, time_ms, data}]
    this.checkpoints = [];
    this.datasets = [];
    this.lastId = { job: 0, game: 0, task: 0, token: 0 };
    this.listeners = new Set();
    this.library = Array.from({ length: 12 }, () => playGame(9, this.random, 74));
    this.started = Date.now();
  }

  emit(name, data, topic = null) {
    for (const listener of this.listeners) listener(name, data, topic);
  }

  addJob({ kind, name = "", priority = 0, config = {}, inputs = {}, after = [] }) {
    const known = kinds.find((one) => one.name === kind);
    if (!known)
      throw {
        status: 400,
        code: "unknown_kind",
        field: "kind",
        title: "Unknown job kind",
        detail: `there is no kind ${kind}`,
      };
    const checked = check(known.options, config, "config");
    const now = Date.now();
    const job = {
      id: ++this.lastId.job,
      kind,
      name,
      priority,
      state: "queued",
      reason: "no worker is free",
      config: checked,
      inputs,
      after,
      retention: { chunks: 0, seconds: 0 },
      unit: known.unit,
      units: { total: checked.games || 1, done: 0, leased: 0 },
      tasks: {
        pending: Math.ceil((checked.games || 1) / (checked.games_per_task || 1)),
        leased: 0,
        done: 0,
        failed: 0,
      },
      totals: {},
      score: null,
      progress: 0,
      rate_per_s: 0,
      eta_s: null,
      created_ms: now,
      started_ms: null,
      ended_ms: null,
      error: null,
    };
    this.jobs.unshift(job);
    this.tasks.set(job.id, []);
    this.logs.set(job.id, []);
    this.metrics.set(job.id, []);
    this.reports.set(job.id, []);
    return job;
  }

  addWorker(name, state, runners, machine, capabilities) {
    const worker = {
      id: this.workers.length + 1,
      name,
      state,
      online: state !== "offline",
      runners,
      leased: 0,
      capabilities,
      unable: [],
      machine,
      created_ms: this.started - 3 * HOUR,
      seen_ms: Date.now(),
    };
    this.workers.push(worker);
    return worker;
  }

  addGame(job, when = Date.now(), liveTask = null) {
    const id = ++this.lastId.game;
    const moves = this.library[id % this.library.length];
    const margin = Math.floor(this.random() * 24) + 0.5;
    const black = this.random() < 0.52;
    const resign = this.random() < 0.35;
    const players = this.playersOf(job);
    const swapped = job.kind === "match" && id % 2 === 1;
    const game = {
      id,
      job: job.id,
      task: liveTask ?? this.tasks.get(job.id).at(-1)?.id ?? 1,
      created_ms: when,
      board: 9,
      komi: job.config.komi,
      rules: job.config.rules,
      black: players[swapped ? 1 : 0],
      white: players[swapped ? 0 : 1],
      result: `${black ? "B" : "W"}+${resign ? "Resign" : margin}`,
      moves: moves.length,
      reason: resign ? "resign" : "score",
      note: !resign && id % 9 === 0 ? `gnugo says W+${(margin + 2).toFixed(1)}` : "",
    };
    this.games.unshift(game);
    this.moves.set(id, moves);
    this.countGame(job, game);
    return game;
  }

  playersOf(job) {
    const name = (player) => (player.type === "engine" ? player.engine : `uct ${player.playouts}`);
    if (job.kind === "match") return [name(job.config.a), name(job.config.b)];
    if (job.kind === "teacher") return [job.config.engine, job.config.engine];
    return [name(job.config.player), name(job.config.player)];
  }

  countGame(job, game) {
    const add = (name, n = 1) => (job.totals[name] = (job.totals[name] || 0) + n);
    add("games");
    add(game.result.startsWith("B") ? "black_wins" : "white_wins");
    add("draws", 0);
    if (game.reason === "resign") add("resigns");
    add("moves", game.moves);
    job.units.done = job.totals.games;
    if (job.kind === "match") this.scoreOf(job, game);
  }

  scoreOf(job, game) {
    const won = (game.black === this.playersOf(job)[0]) === game.result.startsWith("B");
    const score = job.score || { wins: 0, draws: 0, losses: 0, games: 0 };
    score.games += 1;
    score[won ? "wins" : "losses"] += 1;
    const share = Math.min(0.99, Math.max(0.01, score.wins / score.games));
    const error = 1.96 * Math.sqrt((share * (1 - share)) / score.games);
    const elo = (p) => -400 * Math.log10(1 / Math.min(0.99, Math.max(0.01, p)) - 1);
    job.score = {
      ...score,
      elo: elo(share),
      elo_low: elo(share - error),
      elo_high: elo(share + error),
      points: share,
      sprt: {
        llr: Math.min(2.9, score.games * 0.012),
        lower: -2.944,
        upper: 2.944,
        elo0: 0,
        elo1: 20,
        state: "running",
      },
    };
  }

  log(job, level, text, when = Date.now()) {
    const line = { time_ms: when, task: this.tasks.get(job.id).at(-1)?.id ?? null, attempt: 1, level, text };
    this.logs.get(job.id).push(line);
    return line;
  }

  /** A job with a past: `done` games over the last `span` ms. */
  history(job, done, span, state) {
    const start = Date.now() - span - (state === "running" ? 0 : 20 * MINUTE);
    const perTask = job.config.games_per_task;
    job.created_ms = start - 4000;
    job.started_ms = start;
    for (let n = 0; n < done; n++) {
      const when = start + ((n + 1) * span) / done + 400 * Math.sin(n);
      if (n % perTask === perTask - 1) {
        const id = ++this.lastId.task;
        const worker = this.workers[id % 2];
        const took = (span / done) * perTask * (0.8 + 0.5 * this.random());
        this.tasks.get(job.id).push({
          id,
          job: job.id,
          index: Math.floor(n / perTask),
          state: "done",
          units: perTask,
          done: perTask,
          attempt: 1,
          worker: worker.id,
          worker_name: worker.name,
          leased_ms: when - took,
          ended_ms: when,
          error: null,
        });
        this.log(
          job,
          id % 13 === 0 ? "warning" : "info",
          id % 13 === 0
            ? "gnugo answered after 4.1 s"
            : `task ${id}: ${perTask} games, ${Math.round(7000 + 2000 * this.random())} playouts/s`,
          when,
        );
        this.metrics.get(job.id).push({
          name: "playouts_per_s",
          step: n,
          value: 7800 + 900 * Math.sin(n / 60) + 500 * this.random(),
          time_ms: when,
        });
        this.metrics.get(job.id).push({
          name: "mean_moves",
          step: n,
          value: 74 - 12 * Math.exp(-n / 200) + 3 * this.random(),
          time_ms: when,
        });
      }
      this.addGame(job, when);
    }
    job.state = state;
    job.reason = "";
    this.recount(job);
    if (state !== "running") job.ended_ms = Date.now() - 20 * MINUTE;
  }

  recount(job) {
    if (job.unit !== "games") return;
    const done = Math.floor(job.units.done / job.config.games_per_task);
    const all = Math.ceil(job.units.total / job.config.games_per_task);
    const leased = job.state === "running" ? Math.min(2, all - done) : 0;
    job.tasks = { pending: all - done - leased, leased, done, failed: 0 };
    job.units.leased = Math.min(leased * job.config.games_per_task, job.units.total - job.units.done);
    const left = job.units.total - job.units.done;
    job.progress = job.state === "succeeded" ? 1 : job.units.done / job.units.total;
    job.rate_per_s = job.state === "running" ? 1.1 + 0.3 * Math.sin(Date.now() / 9000) : 0;
    job.eta_s = job.state === "running" && job.rate_per_s > 0 ? left / job.rate_per_s : null;
  }

  sgf(id) {
    const game = this.games.find((one) => one.id === id);
    return game && toSgf(game, this.moves.get(id));
  }

  /** Live games of a job: two boards that gain a move at a time. */
  liveOf(job) {
    if (job.state !== "running" || job.unit !== "games") return [];
    if (!this.live.has(job.id))
      this.live.set(job.id, [
        { number: job.units.done, at: 22 },
        { number: job.units.done + 1, at: 41 },
      ]);
    const [black, white] = this.playersOf(job);
    return this.live.get(job.id).map(({ number, at }, index) => ({
      task: 900 + index,
      worker_name: this.workers[index].name,
      game: number,
      board: 9,
      komi: job.config.komi,
      black,
      white,
      moves: this.library[number % this.library.length].slice(0, at),
    }));
  }

  /** One beat of the world: a move in each live game; a finished one is stored. */
  tick() {
    for (const worker of this.workers) if (worker.state !== "offline") worker.seen_ms = Date.now();
    const next = this.jobs.filter((job) => job.state === "queued" && !job.held).at(-1);
    if (next && !this.jobs.some((job) => job.state === "running" && job.id === next.id)) this.start(next);
    for (const job of this.jobs.filter((one) => one.state === "running" && one.unit === "games")) this.advance(job);
  }

  start(job) {
    Object.assign(job, { state: "running", reason: "", started_ms: Date.now() });
    this.recount(job);
    this.emit("job", job);
  }

  advance(job) {
    this.liveOf(job);
    for (const [index, live] of this.live.get(job.id).entries()) {
      live.at += 1;
      if (live.at <= this.library[live.number % this.library.length].length) continue;
      live.number += 2;
      live.at = 0;
      const game = this.addGame(job, Date.now(), 900 + index);
      this.emit("game", game);
      this.emit(
        "log",
        { job: job.id, items: [this.log(job, "info", `game ${game.id}: ${game.result} after ${game.moves} moves`)] },
        `job:${job.id}`,
      );
      const metric = { name: "mean_moves", step: job.units.done, value: 74 + 3 * this.random(), time_ms: Date.now() };
      this.metrics.get(job.id).push(metric);
      this.emit("metric", { job: job.id, items: [metric] }, `job:${job.id}`);
      if (job.units.done >= job.units.total) this.finish(job);
    }
    this.recount(job);
    this.emit("live", { job: job.id, games: this.liveOf(job) }, `live:${job.id}`);
    const { config, ...rest } = job;
    this.emit("job", rest);
  }

  finish(job) {
    Object.assign(job, { state: "succeeded", ended_ms: Date.now() });
    this.recount(job);
  }
}

/** Three jobs with a past, one that waits, and three workers. */
export function busyWorld() {
  const world = new World();
  const linux = (cpu, isa, cores, gib) => ({
    os: "Linux 6.1",
    cpu,
    isa,
    cores,
    memory_bytes: gib * 2 ** 30,
    version: "0.1.0",
  });
  const kitchen = world.addWorker("kitchen-pc", "online", 4, linux("AMD Ryzen 5 5600G", "avx2", 12, 32), [
    "kind:selfplay",
    "kind:teacher",
    "kind:match",
    "engine:gnugo",
  ]);
  kitchen.unable.push({
    what: "engine:gnugo",
    reason:
      "worker kitchen-pc: engine gnugo does not work on this machine: it ended with status 127 (at boardsize 9); " +
      "install it there, or name its command with --engine gnugo=COMMAND",
    failures: 2,
    retry_ms: Date.now() + 20000,
  });
  world.addWorker("attic", "online", 2, linux("Intel Core i5-6500", "avx2", 4, 16), ["kind:selfplay", "kind:match"]);
  const old = world.addWorker("laptop-anna", "offline", 4, linux("Apple M1", "neon", 8, 16), [
    "kind:selfplay",
    "kind:match",
  ]);
  old.seen_ms = Date.now() - 5 * HOUR;
  const teacher = world.addJob({ kind: "teacher", name: "GNU Go openings", config: { games: 240 } });
  world.history(teacher, 240, 50 * MINUTE, "succeeded");
  const broken = world.addJob({
    kind: "match",
    name: "uct against pachi",
    config: { games: 100, b: { type: "engine", engine: "pachi" } },
  });
  world.history(broken, 12, 9 * MINUTE, "failed");
  broken.error = {
    code: "engine_failed",
    title: "A game engine failed",
    status: 500,
    detail: "pachi ended with signal 11 in five attempts of task 31",
    field: "",
  };
  broken.reason = broken.error.detail;
  const first = world.addJob({ kind: "selfplay", name: "first games", config: { games: 1000 } });
  world.history(first, 740, 12 * MINUTE, "running");
  const match = world.addJob({
    kind: "match",
    name: "1000 against 400 playouts",
    config: { games: 400, b: { playouts: 400 }, sprt: { enabled: true } },
  });
  world.history(match, 131, 6 * MINUTE, "running");
  const waiting = world.addJob({
    kind: "teacher",
    name: "expert games, large",
    config: { games: 20000, engine: "katago" },
  });
  waiting.held = true;
  waiting.reason = "no worker offers engine:katago";
  train(world);
  return world;
}
