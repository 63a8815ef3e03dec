// real.mjs - a coordinator and a worker as processes of their own, on loopback, in a folder that is removed afterwards.

import { spawn } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { until } from "./tap.mjs";

/** A child whose output is kept for the report of a failure. */
class Child {
  constructor(file, args) {
    this.output = "";
    this.code = null;
    this.process = spawn(file, args, { stdio: ["ignore", "pipe", "pipe"] });
    const keep = (data) => (this.output = (this.output + data).slice(-4000));
    this.process.stdout.on("data", keep);
    this.process.stderr.on("data", keep);
    this.ended = new Promise((resolve) =>
      this.process.on("close", (code) => {
        this.code = code ?? -1;
        resolve(this.code);
      }),
    );
  }

  alive() {
    if (this.code !== null) throw new Error(`${this.process.spawnfile} ended with ${this.code}:\n${this.output}`);
  }

  async stop() {
    if (this.code !== null) return;
    this.process.kill("SIGTERM");
    const timer = setTimeout(() => this.process.kill("SIGKILL"), 15000);
    await this.ended;
    clearTimeout(timer);
  }
}

export class Real {
  constructor(serverBin, workerBin) {
    this.bins = { server: serverBin, worker: workerBin };
    this.workers = [];
    this.token = "";
  }

  async start() {
    this.folder = await mkdtemp(path.join(os.tmpdir(), "tengen-web-"));
    const portFile = path.join(this.folder, "port");
    this.server = new Child(this.bins.server, [
      "--port",
      "0",
      "--port-file",
      portFile,
      "--data",
      path.join(this.folder, "server"),
    ]);
    const port = await until(async () => {
      this.server.alive();
      return Number((await readFile(portFile, "utf8").catch(() => "")).trim());
    }, "the coordinator's port");
    this.url = `http://127.0.0.1:${port}`;
    await until(() => fetch(`${this.url}/readyz`).then((answer) => answer.ok), "the coordinator is ready");
  }

  /** Starts an agent; with `token`, by a file that only it can read. */
  async addWorker(name, token = "") {
    const args = ["--server", this.url, "--data", path.join(this.folder, name), "--runners", "1", "--name", name];
    if (token) {
      const file = path.join(this.folder, `${name}.token`);
      await writeFile(file, token, { mode: 0o600 });
      args.push("--token-file", file);
    }
    const worker = new Child(this.bins.worker, args);
    this.workers.push(worker);
    return worker;
  }

  /** What the API answers to whoever holds the token. */
  async get(path) {
    const headers = this.token ? { authorization: `Bearer ${this.token}` } : {};
    const answer = await fetch(`${this.url}/api/v1${path}`, { headers });
    if (!answer.ok) throw new Error(`${answer.status}: ${await answer.text()}`);
    return answer.json();
  }

  /** Submits a job as another person would, not by the page. */
  async submit(job) {
    const answer = await fetch(`${this.url}/api/v1/jobs`, {
      method: "POST",
      headers: { "content-type": "application/json", ...(this.token && { authorization: `Bearer ${this.token}` }) },
      body: JSON.stringify(job),
    });
    if (!answer.ok) throw new Error(`${answer.status}: ${await answer.text()}`);
    return answer.json();
  }

  /** Brings a data set as another person would. */
  async upload(name, body) {
    const answer = await fetch(`${this.url}/api/v1/datasets?name=${encodeURIComponent(name)}`, {
      method: "POST",
      headers: {
        "content-type": "application/octet-stream",
        ...(this.token && { authorization: `Bearer ${this.token}` }),
      },
      body,
    });
    if (!answer.ok) throw new Error(`${answer.status}: ${await answer.text()}`);
    return answer.json();
  }

  async stop() {
    for (const worker of this.workers) await worker.stop();
    await this.server?.stop();
    await rm(this.folder, { recursive: true, force: true });
  }
}
