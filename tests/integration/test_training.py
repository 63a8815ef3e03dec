#!/usr/bin/env python3
"""Checkpoints, states and reports out of tasks: stored once, found again, gone on from; and a job's inputs."""
# run_tests: timeout=300

import contextlib
import hashlib
import json
import os
import pathlib
import random
import signal
import struct
import time

import fake_trainer
import harness
import test_classify
from harness import encode_chunk

SEED = int(os.environ.get("TENGEN_TEST_SEED") or random.randrange(1 << 32))
AHEAD = 4 * fake_trainer.EVERY  # steps that a run may go on while it waits to be killed: three kills are certain
JOB = {"kind": "selfplay", "config": {"games": 2, "games_per_task": 2, "board": 5, "seed": 1}}


def safetensors(text, step=0):
    """A sound file whose bytes depend on `text`."""
    data = text.encode()
    header = json.dumps({"__metadata__": {"step": str(step), "format": "test"},
                         "w": {"dtype": "U8", "shape": [len(data)], "data_offsets": [0, len(data)]}})
    header += " " * (-len(header) % 8)
    return struct.pack("<Q", len(header)) + header.encode() + data


def digest(data):
    return hashlib.sha256(data).hexdigest()


def checkpoint(name, step, data):
    return encode_chunk({"type": "checkpoint", "units": 0, "counters": {}, "checkpoint": {"name": name, "step": step}}, data)


def report(name, step, data):
    return encode_chunk({"type": "report", "units": 0, "counters": {}, "report": {"name": name, "step": step}},
                        json.dumps(data).encode())


class Run:
    """A job whose tasks a worker by hand holds, one after the other."""

    def __init__(self, t, job=None):
        self.t, self.server = t, t.server()
        self.api = self.server.api
        self.job = self.api.expect(201, "POST", "/api/v1/jobs", json=job or JOB)["id"]
        self.worker = harness.FakeWorker(self.api)
        self.task, self.seq = None, 0

    def lease(self):
        self.task = harness.wait_for(lambda: self.worker.lease(wait_s=5)["tasks"], 40, "a task")[0]
        self.seq = 0
        return self.task

    def send(self, body, status=201):
        answer = self.worker.chunk(self.task, self.seq, body)
        self.t.equal(answer.status, status, f"a chunk: {answer!r}")
        self.seq += status == 201
        return answer

    def pair(self, step, text):
        """The digests of a state and a checkpoint of one step, as they are sent."""
        state, network = safetensors("state " + text, step), safetensors("network " + text, step)
        self.send(checkpoint("state", step, state))
        self.send(checkpoint("checkpoint", step, network))
        return {"checkpoint": {"sha256": digest(network)}, "state": {"sha256": digest(state)}}

    def fail(self):
        return self.t.equal(self.worker.fail(self.task).status, 200, "fail")

    def checkpoints(self):
        return [(row["name"], row["step"]) for row in self.api.pages(f"/api/v1/jobs/{self.job}/checkpoints")]

    def end(self):
        self.t.equal(self.server.stop(), 0, "exit code")
        self.t.tool("tengen-server", "--check", "--data", self.server.data, check=0)


def checkpoints_are_stored_once_by_content(t):
    run = Run(t)
    run.lease()
    big = safetensors("x" * 9_000_000, 5)
    body = checkpoint("checkpoint", 5, big)
    run.send(body)
    again = run.worker.chunk(run.task, 0, body)
    t.equal((again.status, again.json), (200, {"stored": True}), "the same chunk again")
    run.send(checkpoint("best", 5, big))
    run.send(harness.game_chunk())
    rows = run.api.pages(f"/api/v1/jobs/{run.job}/checkpoints")
    t.equal([(row["name"], row["step"], row["task"]) for row in rows],
            [("best", 5, run.task["id"]), ("checkpoint", 5, run.task["id"])], "the job's checkpoints")
    t.equal((rows[0]["sha256"], rows[0]["bytes"]), (digest(big), len(big)), "what it is")
    t.equal(rows[0]["metadata"], {"step": "5", "format": "test"}, "its metadata")
    t.true(run.api.get(f"/api/v1/checkpoints/{digest(big)}").body == big, "its bytes")
    stream = run.api.get(f"/api/v1/streams/{run.job}").body
    t.equal(harness.chunk_header(stream[12:])["type"], "game", "what a learner gets")
    t.equal(len(stream), 12 + len(harness.game_chunk()), "and nothing else")
    size = sum(path.stat().st_size for path in run.server.data.glob("tengen.db*"))
    t.at_most(size, 3 * len(big), "bytes on disk, journal included")
    run.end()


def what_is_no_checkpoint_is_refused(t):
    run = Run(t)
    run.lease()
    good = safetensors("network")
    for name, body in [("cut short", good[:-1]), ("not safetensors", b"hello" * 10), ("empty", b""),
                       ("a header beyond the end", struct.pack("<Q", 1 << 40) + b"{}")]:
        with t.subtest(f"a checkpoint that is {name}"):
            answer = run.send(checkpoint("checkpoint", 1, body), status=400)
            t.problem(answer, 400, "corrupt")
            t.true(answer.json["field"].startswith("checkpoint"), f"field {answer.json['field']}")
    with t.subtest("a name that is none"):
        t.problem(run.send(checkpoint("../x", 1, good), status=400), 400, "invalid", "checkpoint.name")
    with t.subtest("a report that is no object"):
        t.problem(run.send(encode_chunk({"type": "report", "units": 0, "report": {"name": "a"}}, b"[1"), status=400),
                  400, "bad_json", "report")
    t.equal(run.checkpoints(), [], "nothing was stored")
    run.send(checkpoint("checkpoint", 1, good))
    run.end()


def of_states_the_newest_stay(t):
    run = Run(t)
    run.lease()
    first = run.pair(10, "a")
    run.send(checkpoint("state", 20, safetensors("state b")))
    t.equal(run.checkpoints(), [("state", 20), ("checkpoint", 10), ("state", 10)], "the pair stays until there is another")
    run.send(checkpoint("checkpoint", 20, safetensors("network b")))
    t.equal(run.checkpoints(), [("checkpoint", 20), ("state", 20), ("checkpoint", 10)], "the older state went")
    t.problem(run.api.get(f"/api/v1/checkpoints/{first['state']['sha256']}"), 404, "not_found")
    t.equal(run.api.get(f"/api/v1/checkpoints/{first['checkpoint']['sha256']}").status, 200, "the older network")
    run.end()


def a_long_run_keeps_checkpoints_of_all_its_length(t):
    run = Run(t)
    run.lease()
    for step in range(1, 101):
        run.send(checkpoint("checkpoint", step, safetensors(f"network {step}")))
    steps = [step for _, step in reversed(run.checkpoints())]
    t.equal(len(steps), 64, "rows that stay")
    t.equal((steps[0], steps[-8:]), (1, list(range(93, 101))), "the first and the newest")
    t.at_most(max(b - a for a, b in zip(steps, steps[1:])), 3, "the widest gap")
    run.end()


def an_attempt_goes_on_from_the_newest_pair(t):
    run = Run(t)
    t.equal(run.lease()["resume"], None, "the first attempt begins anew")
    run.pair(10, "a")
    second = run.pair(20, "b")
    run.send(checkpoint("state", 30, safetensors("state c")))  # its network never comes
    run.fail()
    again = run.lease()
    t.equal((again["attempt"], again["resume"]), (2, second), "what the second goes on from")
    run.send(checkpoint("checkpoint", 30, safetensors("network d")))  # not of the attempt that sent the state
    run.fail()
    t.equal(run.lease()["resume"], second, "what the third goes on from")
    third = run.pair(30, "e")
    run.fail()
    t.equal(run.lease()["resume"], third, "what the fourth goes on from")
    run.end()


def attempts_that_advance_are_no_failures(t):
    run = Run(t, {**JOB, "config": {**JOB["config"], "games": 1, "games_per_task": 1}})
    for step in range(1, 9):
        run.lease()
        run.pair(step, str(step))
        run.send(report("summary", step, {"step": step}))
        run.fail()
    state = run.api.get(f"/api/v1/jobs/{run.job}").json
    t.equal((state["state"], state["tasks"]["pending"]), ("running", 1), "after eight failures")
    run.lease()
    run.pair(8, "8")  # nothing new
    run.fail()
    t.equal(run.api.pages(f"/api/v1/jobs/{run.job}/tasks")[0]["attempt"], 9, "attempts")
    held = harness.sqlite_rows(run.server.data, "SELECT failures FROM tasks")
    t.equal(held, [(1,)], "failures that count")
    run.end()


def reports_are_replaced_by_name(t):
    run = Run(t)
    run.lease()
    with run.api.events(f"job:{run.job}") as events:
        run.send(report("confusion", 1, {"classes": ["a"], "matrix": [[1]]}))
        run.send(report("confusion", 2, {"classes": ["a"], "matrix": [[2]]}))
        run.send(report("summary", 2, {"text": "ü"}))
        network = safetensors("network")
        run.send(checkpoint("checkpoint", 3, network))
        heard = []
        for _, event, data in events:
            if event in ("report", "checkpoint"):
                heard.append((event, data["job"], data["name"], data["step"], data.get("sha256")))
            if event == "checkpoint":
                break
    t.equal(heard, [("report", run.job, "confusion", 1, None), ("report", run.job, "confusion", 2, None),
                    ("report", run.job, "summary", 2, None),
                    ("checkpoint", run.job, "checkpoint", 3, digest(network))], "what a page is told")
    items = run.api.get(f"/api/v1/jobs/{run.job}/reports").json["items"]
    t.equal([(row["name"], row["step"], row["data"]) for row in items],
            [("confusion", 2, {"classes": ["a"], "matrix": [[2]]}), ("summary", 2, {"text": "ü"})], "the reports")
    t.problem(run.api.get("/api/v1/jobs/99/reports"), 404, "not_found", "id")
    run.end()


class Killing:
    """A job at a real agent. Runner, agent and coordinator are killed in turn, each as soon as the run has got further than
    at the kill before."""

    def __init__(self, t, document, dataset=None, **flags):
        self.t, self.flags, self.chance = t, flags, random.Random(SEED)
        self.server = t.server()
        if dataset:
            answer = self.server.api.call("POST", "/api/v1/datasets?name=set", body=dataset,
                                          headers={"Content-Type": "application/octet-stream"})
            t.equal(answer.status, 201, f"the data set: {answer!r}")
        self.job = self.server.api.expect(201, "POST", "/api/v1/jobs", json=document)["id"]
        self.worker = t.worker(self.server, **flags)

    def get(self, path):
        with contextlib.suppress(OSError):
            return self.server.api.get(f"/api/v1/jobs/{self.job}{path}").json
        return {}

    def reached(self):
        return max((row["step"] for row in self.get("/checkpoints?limit=3").get("items", [])
                    if row["name"] == "checkpoint"), default=0)

    def kill(self, victim):
        if victim == "runner":
            for pid in self.worker.runner_pids():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        elif victim == "agent":
            self.worker.kill()
            self.worker = self.t.worker(self.server, data=self.worker.data, **self.flags)
        else:
            self.server.kill()
            self.server = self.t.server(port=self.server.port, data=self.server.data)

    def kill_all(self, rounds, allow=lambda step: None):
        """The number of kills: the run may end before the last. `allow` is told to what step the run may go on."""
        kills = step = 0
        for victim in ["runner", "agent", "coordinator"] * rounds:
            before = step
            allow(before + AHEAD)
            harness.wait_for(lambda: self.reached() > before or self.get("").get("state") == "succeeded", 60,  # noqa: B023
                             f"a step after {before}", every=0.01)
            step = self.reached()
            if step <= before:
                break
            time.sleep(self.chance.random() * 0.1)
            self.kill(victim)
            kills += 1
        allow(1 << 30)
        return kills

    def end(self):
        """The rows of its checkpoints, newest first; all is well."""
        t = self.t
        harness.wait_for(lambda: self.get("").get("state") in ("succeeded", "failed"), 60, "the job's end")
        t.equal(self.get("")["state"], "succeeded", self.get("")["reason"])
        rows = [row for row in self.server.api.pages(f"/api/v1/jobs/{self.job}/checkpoints") if row["name"] == "checkpoint"]
        steps = [row["step"] for row in rows]
        t.equal(sorted(steps), sorted(set(steps)), "each step is there once")
        t.equal(harness.sqlite_rows(self.server.data, "SELECT failures FROM tasks"), [(0,)], "failures that count")
        t.equal(self.worker.stop(), 0, "the agent's exit code")
        t.equal(self.server.stop(), 0, "exit code")
        t.tool("tengen-server", "--check", "--data", self.server.data, check=0)
        return rows


def a_run_that_is_killed_ends_like_one_that_is_not(t):
    t.note(f"TENGEN_TEST_SEED={SEED}")
    limit = t.folder("limit") / "step"

    def allow(step):
        limit.with_suffix(".new").write_text(str(step), encoding="ascii")
        limit.with_suffix(".new").rename(limit)

    allow(0)
    run = Killing(t, {"kind": "selfplay", "config": {"games": 1, "games_per_task": 1, "board": 5}},
                  runner=pathlib.Path(__file__).with_name("fake_trainer.py"), env={"TENGEN_TEST_LIMIT": str(limit)})
    t.at_least(run.kill_all(1 if harness.QUICK else 3, allow), 3, "kills")
    rows = run.end()
    t.equal((rows[0]["step"], rows[0]["sha256"]), (fake_trainer.STEPS, fake_trainer.undisturbed()), "the last checkpoint")


def a_network_whose_training_is_killed_is_the_same(t):
    """The same with the kind classify."""
    t.note(f"TENGEN_TEST_SEED={SEED}")
    config = {**test_classify.CONFIG, "epochs": 400, "average": 0.99, "shift": 1, "seed": 5, "checkpoint_seconds": 0.1,
              "network": {"family": "vgg", "stages": "4", "dropout": 0.1}}
    document = {"kind": "classify", "config": config, "inputs": {"data": {"dataset": "set"}}}
    dataset = test_classify.tar_of(test_classify.idx_files())
    whole = Killing(t, document, dataset).end()
    kills = 0
    for _ in range(10):  # it takes a second: while the machine stands still it may end
        run = Killing(t, document, dataset)
        kills = max(kills, run.kill_all(1))
        rows = run.end()
        t.equal((rows[0]["step"], rows[0]["sha256"]), (whole[0]["step"], whole[0]["sha256"]), "the last checkpoint")
        if kills >= 2:
            break
    t.at_least(kills, 2, "kills of one run")


if __name__ == "__main__":
    harness.run(checkpoints_are_stored_once_by_content, what_is_no_checkpoint_is_refused, of_states_the_newest_stay,
                a_long_run_keeps_checkpoints_of_all_its_length, an_attempt_goes_on_from_the_newest_pair,
                attempts_that_advance_are_no_failures, reports_are_replaced_by_name, a_run_that_is_killed_ends_like_one_that_is_not,
                a_network_whose_training_is_killed_is_the_same, timeout=90)
