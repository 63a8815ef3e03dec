// server.mjs - a coordinator that only pretends: the API's shapes over a made-up world, and faults on demand.
//
// The tests use it for what a real coordinator cannot be asked to show (errors, a lost line, a full history at once).
// By hand: `node tests/web/mock/server.mjs [PORT]` and open the address that it prints.

import { createServer } from "node:http";
import { readFile } from "node:fs/promises";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { kinds } from "./kinds.mjs";
import { addDataset } from "./training.mjs";
import { busyWorld, World } from "./world.mjs";

const DIST = path.join(path.dirname(fileURLToPath(import.meta.url)), "..", "..", "..", "web", "dist");
const TYPES = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript",
  ".css": "text/css",
  ".svg": "image/svg+xml",
  ".woff2": "font/woff2",
};
// As server/http/assets.c says it.
const CSP =
  "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; object-src 'none'; " +
  "base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

const SECRET = `tg_${"9f3c1e7ab2".repeat(4)}`; // every token that the mock makes

class Mock {
  constructor({ world, token, tickMs }) {
    this.world = world;
    this.token = token;
    this.streams = new Set();
    this.eventId = 0;
    this.ring = [];
    this.broken = false; // every call answers 503, streams end
    this.noEvents = false; // only GET /events is refused
    this.streamsHeld = null; // a promise that holds back the answers to GET /events
    this.asked = 0; // streams asked for so far
    this.uploads = null; // a promise that holds back the answer to an upload
    this.opened = 0; // streams opened so far
    world.listeners.add((name, data, topic) => this.publish(name, data, topic));
    this.timer = tickMs ? setInterval(() => this.world.tick(), tickMs) : null;
    this.server = createServer((request, response) => this.handle(request, response));
  }

  listen(port) {
    return new Promise((resolve) =>
      this.server.listen(port, "127.0.0.1", () => resolve(`http://127.0.0.1:${this.server.address().port}`)),
    );
  }

  close() {
    clearInterval(this.timer);
    this.dropStreams();
    return new Promise((resolve) => {
      this.server.close(resolve);
      this.server.closeAllConnections();
    });
  }

  /** Whether a page listens, also to `topic` when one is named. */
  hears(topic = "jobs") {
    return [...this.streams].some(({ topics }) => topics.has(topic));
  }

  dropStreams() {
    for (const stream of this.streams) stream.response.destroy();
    this.streams.clear();
  }

  publish(name, data, topic) {
    const text = `id: ${++this.eventId}\nevent: ${name}\ndata: ${JSON.stringify(data)}\n\n`;
    this.ring.push({ id: this.eventId, topic, text });
    if (this.ring.length > 1000) this.ring.shift();
    for (const stream of this.streams) if (!topic || stream.topics.has(topic)) stream.response.write(text);
  }

  async handle(request, response) {
    const url = new URL(request.url, "http://mock");
    try {
      if (!url.pathname.startsWith("/api/v1/")) return await this.file(url.pathname, response);
      if (this.broken) throw { status: 503, code: "busy", title: "Busy", detail: "the coordinator is starting" };
      const body = await this.body(request);
      if (url.pathname === "/api/v1/session") return this.session(request, response, body);
      this.authorize(request);
      await this.call(request, response, url, body);
    } catch (problem) {
      const status = problem.status || 500;
      const document = problem.status
        ? problem
        : { status, code: "internal", title: "Internal error", detail: String(problem) };
      this.send(response, status, { type: "about:blank", field: "", ...document }, "application/problem+json");
    }
  }

  async body(request) {
    let text = "";
    for await (const chunk of request) text += chunk;
    if (!text) return {};
    if (request.headers["content-type"] === "application/octet-stream") return text;
    try {
      return JSON.parse(text);
    } catch {
      throw { status: 400, code: "bad_json", title: "Not valid JSON", detail: "the body is not JSON" };
    }
  }

  send(response, status, body, type = "application/json", headers = {}) {
    const text = typeof body === "string" ? body : JSON.stringify(body);
    response.writeHead(status, { "content-type": type, ...headers }).end(text);
  }

  async file(pathname, response) {
    const name = pathname === "/" ? "index.html" : path.basename(pathname);
    const bytes = await readFile(path.join(DIST, name)).catch(() => null);
    if (!bytes) return this.send(response, 404, "not found", "text/plain");
    response.writeHead(200, {
      "content-type": TYPES[path.extname(name)] || "application/octet-stream",
      "content-security-policy": CSP,
      "x-content-type-options": "nosniff",
    });
    return response.end(bytes);
  }

  session(request, response, body) {
    if (request.method === "DELETE")
      return this.send(response, 204, "", "application/json", { "set-cookie": "session=; Path=/; Max-Age=0" });
    if (body.token !== this.token)
      throw {
        status: 401,
        code: "token_unknown",
        title: "Unknown token",
        field: "token",
        detail: "this token is not known here",
      };
    return this.send(response, 200, { role: "admin", name: "tests" }, "application/json", {
      "set-cookie": `session=${this.token}; Path=/; HttpOnly; SameSite=Strict`,
    });
  }

  authorize(request) {
    if (!this.token) return;
    if ((request.headers.cookie || "").includes(`session=${this.token}`)) return;
    throw { status: 401, code: "token_missing", title: "A token is required", detail: "sign in with a token" };
  }

  async events(request, response, url) {
    this.asked += 1;
    await this.streamsHeld;
    if (this.noEvents) throw { status: 503, code: "busy", title: "Busy", detail: "too many streams" };
    const topics = new Set((url.searchParams.get("topics") || "").split(","));
    response.writeHead(200, { "content-type": "text/event-stream", "cache-control": "no-store" });
    const last = Number(request.headers["last-event-id"] ?? this.eventId);
    response.write(`id: ${last}\n: hello\n\n`);
    if (last < this.eventId)
      for (const { id, topic, text } of this.ring) if (id > last && (!topic || topics.has(topic))) response.write(text);
    const stream = { response, topics };
    this.streams.add(stream);
    this.opened += 1;
    response.on("close", () => this.streams.delete(stream));
  }

  list(response, items, url, newestFirst = true) {
    const limit = Number(url.searchParams.get("limit") || 50);
    const after = Number(url.searchParams.get("after") || 0);
    const rest = after ? items.filter((item) => (newestFirst ? item.id < after : item.id > after)) : items;
    const page = rest.slice(0, limit);
    this.send(response, 200, { items: page, next: rest.length > limit ? String(page.at(-1).id) : null });
  }

  async call(request, response, url, body) {
    const { world } = this;
    const route = `${request.method} ${url.pathname.slice("/api/v1".length)}`;
    const parameter = (name) => url.searchParams.get(name);
    const jobMatch = /^(GET|POST) \/jobs\/(\d+)(?:\/(\w+))?$/.exec(route);
    const workerMatch = /^POST \/workers\/(\d+)\/(\w+)$/.exec(route);
    const gameMatch = /^GET \/games\/(\d+)(\.sgf)?$/.exec(route);
    const checkpointMatch = /^GET \/checkpoints\/([0-9a-f]{64})$/.exec(route);
    const datasetMatch = /^DELETE \/datasets\/(\d+)$/.exec(route);
    const tokenMatch = /^DELETE \/tokens\/(\d+)$/.exec(route);
    if (route === "GET /whoami")
      return this.send(response, 200, { role: "admin", name: this.token ? "tests" : "", version: "0.1.0" });
    if (route === "GET /events") return this.events(request, response, url);
    if (route === "GET /kinds") return this.send(response, 200, { kinds });
    if (route === "GET /stats") return this.send(response, 200, this.stats());
    if (route === "GET /workers") return this.list(response, world.workers, url, false);
    if (route === "GET /datasets") return this.list(response, world.datasets, url);
    if (datasetMatch) return this.removeDataset(response, Number(datasetMatch[1]));
    if (route === "POST /datasets") return this.addDataset(response, body, parameter("name"));
    if (route === "GET /checkpoints") return this.list(response, world.checkpoints, url);
    if (checkpointMatch) return this.send(response, 200, "weights", "application/octet-stream");
    if (route === "GET /tokens") return this.list(response, world.tokens, url);
    if (route === "POST /tokens") return this.createToken(response, body);
    if (tokenMatch) return this.revoke(response, Number(tokenMatch[1]));
    if (route === "GET /jobs") {
      const fits = (job) =>
        (!parameter("state") || job.state === parameter("state")) &&
        (!parameter("kind") || job.kind === parameter("kind"));
      return this.list(response, world.jobs.filter(fits), url);
    }
    if (route === "POST /jobs") return this.submit(response, body);
    if (route === "GET /games") {
      const fits = (game) =>
        (!parameter("job") || game.job === Number(parameter("job"))) &&
        (!parameter("player") || game.black === parameter("player") || game.white === parameter("player"));
      return this.list(response, world.games.filter(fits), url);
    }
    if (gameMatch) return this.game(response, Number(gameMatch[1]), gameMatch[2]);
    if (workerMatch) return this.steerWorker(response, Number(workerMatch[1]), workerMatch[2]);
    if (jobMatch) return this.job(response, jobMatch[1], Number(jobMatch[2]), jobMatch[3], url);
    throw { status: 404, code: "not_found", title: "Not found", detail: "no such call" };
  }

  stats() {
    const { world } = this;
    const jobs = {};
    for (const job of world.jobs) jobs[job.state] = (jobs[job.state] || 0) + 1;
    const online = world.workers.filter((worker) => worker.state !== "offline");
    return {
      jobs,
      workers: {
        online: online.length,
        offline: world.workers.length - online.length,
        runners: online.reduce((n, worker) => n + worker.runners, 0),
      },
      games: world.games.length,
      chunks: world.games.length,
      chunk_bytes: world.games.length * 5300,
      free_bytes: 182.4 * 2 ** 30,
      disk_full: false,
      version: "0.1.0",
      uptime_s: 11000 + (Date.now() - world.started) / 1000,
      join: "tengen work --server https://192.168.1.20:7360 --token tg_worker_token_from_the_tokens_page --ca tengen-ca.pem",
    };
  }

  /** Without a response: as if somebody else had submitted. */
  submit(response, body) {
    const jobs = (body.jobs || [body]).map((document) => this.world.addJob(document));
    for (const job of jobs) this.world.emit("job", job);
    if (response) this.send(response, 201, body.jobs ? { jobs } : jobs[0]);
  }

  /** Takes what begins like an archive, and says of all else what is wrong with it. */
  async addDataset(response, body, name) {
    await this.uploads; // a test may hold the answer back
    const fail = (status, code, field, title, detail) => {
      throw { status, code, field, title, detail };
    };
    if (!name) fail(400, "missing_field", "name", "A required field is missing", "a data set needs a name");
    if (!String(body).startsWith("idx"))
      fail(
        400,
        "corrupt",
        "train-images-idx3-ubyte",
        "Damaged data",
        "says 60000 images but holds 59112: it was cut off",
      );
    const info = { format: "idx", samples: 200, train: 180, test: 20, classes: 2, height: 8, width: 8, channels: 1 };
    return this.send(response, 201, addDataset(this.world, name, String(body).length, info));
  }

  removeDataset(response, id) {
    const user = this.world.jobs.find((job) => !job.ended_ms && job.inputs.data?.dataset === id);
    if (user)
      throw {
        status: 409,
        code: "wrong_state",
        field: "id",
        title: "Not possible in this state",
        detail: `job ${user.id} needs this data set and is not over; cancel it first`,
      };
    this.world.datasets = this.world.datasets.filter((set) => set.id !== id);
    this.world.emit("dataset_removed", { id }, "datasets");
    response.writeHead(204).end();
  }

  createToken(response, { role, name }) {
    if (!name)
      throw {
        status: 400,
        code: "missing_field",
        field: "name",
        title: "A required field is missing",
        detail: "a token needs a name, so that it can be told from others",
      };
    const token = {
      id: ++this.world.lastId.token,
      role,
      name,
      created_ms: Date.now(),
      used_ms: null,
      revoked_ms: null,
    };
    if (!this.world.tokens.length && role !== "admin")
      throw {
        status: 400,
        code: "invalid",
        field: "role",
        title: "Invalid request",
        detail: "the first token must be an admin's",
      };
    this.world.tokens.unshift(token);
    this.token ||= SECRET;
    this.send(response, 201, { ...token, token: SECRET });
  }

  revoke(response, id) {
    const token = this.world.tokens.find((one) => one.id === id);
    if (!token) throw { status: 404, code: "not_found", title: "Not found", detail: "no such token" };
    token.revoked_ms = Date.now();
    response.writeHead(204).end();
  }

  game(response, id, sgf) {
    const game = this.world.games.find((one) => one.id === id);
    if (!game) throw { status: 404, code: "not_found", title: "Not found", detail: `there is no game ${id}` };
    if (sgf) return this.send(response, 200, this.world.sgf(id), "application/x-go-sgf");
    return this.send(response, 200, game);
  }

  steerWorker(response, id, action) {
    const worker = this.world.workers.find((one) => one.id === id);
    if (!worker) throw { status: 404, code: "not_found", title: "Not found", detail: "no such worker" };
    worker.state = { drain: "draining", disable: "disabled", enable: "online" }[action];
    if (action === "enable") worker.unable = [];
    this.world.emit("worker", worker);
    return this.send(response, 200, worker);
  }

  job(response, method, id, part, url) {
    const { world } = this;
    const job = world.jobs.find((one) => one.id === id);
    if (!job) throw { status: 404, code: "not_found", title: "Not found", detail: `there is no job ${id}` };
    if (method === "POST") return this.steerJob(response, job, part);
    const lines = (items) =>
      this.send(response, 200, items.map((item) => JSON.stringify(item)).join("\n"), "application/x-ndjson");
    if (!part) return this.send(response, 200, job);
    if (part === "live") return this.send(response, 200, { games: world.liveOf(job) });
    if (part === "log") return lines(world.logs.get(id));
    if (part === "reports") return this.send(response, 200, { items: world.reports.get(id) });
    if (part === "checkpoints")
      return this.list(
        response,
        world.checkpoints.filter((one) => one.job === id),
        url,
      );
    if (part === "metrics") return lines(world.metrics.get(id));
    if (part === "games")
      return this.list(
        response,
        world.games.filter((game) => game.job === id),
        url,
      );
    if (part === "tasks") {
      const state = url.searchParams.get("state");
      return this.list(
        response,
        world.tasks.get(id).filter((task) => !state || task.state === state),
        url,
        false,
      );
    }
    throw { status: 404, code: "not_found", title: "Not found", detail: "no such call" };
  }

  steerJob(response, job, action) {
    const to = { cancel: "cancelled", pause: "paused", resume: "queued" }[action];
    if (!to || job.ended_ms)
      throw {
        status: 409,
        code: "wrong_state",
        title: "Not possible in this state",
        detail: `the job is ${job.state}`,
      };
    job.state = to;
    if (to === "cancelled") job.ended_ms = Date.now();
    job.reason = to === "paused" ? "paused by a person" : "";
    this.world.recount(job);
    this.world.emit("job", job);
    this.send(response, 200, job);
  }
}

/** Starts a mock on an ephemeral port; `empty` for one that nobody has used yet. Its world moves only when a test calls
 * world.tick(), so that no test depends on how fast the machine is; by itself with `tickMs`. */
export async function startMock({ empty = false, token = "", port = 0, tickMs = 0 } = {}) {
  const mock = new Mock({ world: empty ? new World() : busyWorld(), token, tickMs });
  mock.url = await mock.listen(port);
  return mock;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const mock = await startMock({ port: Number(process.argv[2] || 0), tickMs: 500 });
  console.log(mock.url);
}
