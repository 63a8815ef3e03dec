"""Killed at any instant, nothing that was acknowledged is lost, nothing is there twice, and no job is stuck."""
# run_tests: timeout=600 alone

import contextlib
import os
import random
import signal
import struct
import threading
import time

import harness

SEED = int(os.environ.get("TENGEN_TEST_SEED") or random.randrange(1 << 32))


def restart(t, server):
    """The same coordinator again, on its port and its data."""
    return t.server(port=server.port, data=server.data, lease_s=3)


def stored_chunks(api, job):
    """[(header as JSON)] of every chunk of a job, in the order of the log."""
    headers, cursor = [], 0
    while True:
        answer = api.get(f"/api/v1/streams/{job}?after={cursor}&limit=500")
        if answer.status != 200:
            raise harness.Failure(f"GET /streams/{job}: {answer!r}")
        if not answer.body:
            return headers
        at = 0
        while at < len(answer.body):
            cursor, size = struct.unpack_from("<QI", answer.body, at)
            headers.append(harness.chunk_header(answer.body[at + 12:at + 12 + size]))
            at += 12 + size


def check_clean(t, data):
    done = t.tool("tengen-server", "--check", "--data", data)
    if done.returncode != 0:
        t.fail(f"--check: exit code {done.returncode}\n{done.stdout.decode()}\n{done.stderr.decode()}")


class Load(threading.Thread):
    """A worker that delivers chunks which nobody else makes, and notes which of them were acknowledged."""

    def __init__(self, number, address, acknowledged, ending):
        super().__init__(daemon=True)
        self.number, self.address, self.acknowledged, self.ending = number, address, acknowledged, ending
        self.made, self.error = 0, None

    def run(self):
        try:
            while not self.ending.is_set():
                with contextlib.suppress(OSError):
                    self._work()
        except Exception as error:  # pylint: disable=broad-except
            self.error = harness.describe(error)

    def _again(self, call):
        """Repeats a call until there is an answer that is not 503."""
        while not self.ending.is_set():
            try:
                answer = call()
                if answer.status != 503:
                    return answer
            except OSError:
                pass
            time.sleep(0.02)
        raise ConnectionError("the test is over")

    def _work(self):
        worker = harness.FakeWorker(harness.Api(self.address), name=f"load {self.number}",
                                    instance=f"{self.number:032x}")
        while not self.ending.is_set():
            # A lease whose answer was lost is not in `holding`, so the coordinator hands the task out again.
            for task in worker.lease(wait_s=1)["tasks"]:
                self._do(worker, task)

    def _do(self, worker, task):
        count = task["units"] - task["units_done"]
        for seq in range(count):
            self.made += 1
            nonce = f"{self.number}:{self.made}"
            body = harness.game_chunk(note=nonce)
            answer = self._again(lambda seq=seq, body=body: worker.chunk(task, seq, body))
            if answer.status == 409 and answer.json["code"] == "lease_lost":
                return
            if answer.status not in (200, 201):
                raise harness.Failure(f"chunk {seq} of {task}: {answer!r}")
            self.acknowledged.append((task["job"], nonce))
        answer = self._again(lambda: worker.done(task, count))
        if answer.status != 200 and answer.json["code"] != "lease_lost":
            raise harness.Failure(f"done of {task}: {answer!r}")


def submit_surely(api, key, document):
    """Submits with an Idempotency-Key until there is an answer: the job's id."""
    while True:
        try:
            answer = api.post("/api/v1/jobs", json=document, headers={"Idempotency-Key": key})
        except OSError:
            return None  # the next round asks again with the same key
        if answer.status == 201:
            return answer.json["id"]
        if answer.status != 503:
            raise harness.Failure(f"POST /jobs: {answer!r}")


def the_coordinator_is_killed_under_load(t):
    kills = 6 if harness.QUICK else 30
    chance = random.Random(SEED)
    t.note(f"TENGEN_TEST_SEED={SEED}")
    server = t.server(lease_s=3)
    acknowledged, ending, jobs = [], threading.Event(), []
    t.cleanup(ending.set)
    threads = [Load(n + 1, server.url, acknowledged, ending) for n in range(4)]
    for thread in threads:
        thread.start()
    document = {"kind": "selfplay", "name": "load", "config": {"games": 60, "games_per_task": 3, "board": 5}}
    for kill in range(kills):
        for number in range(2):
            key = f"load-{kill}-{number}"
            job = submit_surely(server.api, key, document)
            jobs.append((key, job))
        time.sleep(chance.uniform(0.02, 0.4))
        server.kill()
        server = t.server(port=server.port, data=server.data, lease_s=3)
    ids = {submit_surely(server.api, key, document) for key, _ in jobs}
    t.equal(len(ids), 2 * kills, "each key made one job")

    def all_succeeded():
        broken = [thread.error for thread in threads if thread.error]
        if broken:
            t.fail("\n".join(broken))
        states = {job["id"]: job["state"] for job in server.api.pages("/api/v1/jobs")}
        t.equal(set(states), ids, "the jobs that exist")
        return all(state == "succeeded" for state in states.values())

    harness.wait_for(all_succeeded, 120, "all jobs to succeed", every=0.3)
    ending.set()
    for thread in threads:
        thread.join()
    total = 0
    for job in sorted(ids):
        nonces = [header["game"]["note"] for header in stored_chunks(server.api, job)]
        t.equal(len(nonces), 60, f"chunks of job {job}")
        t.equal(len(set(nonces)), 60, f"different chunks of job {job}")
        missing = {nonce for where, nonce in acknowledged if where == job} - set(nonces)
        t.equal(missing, set(), f"acknowledged chunks of job {job} that are not there")
        total += len(nonces)
    t.note(f"{kills} kills, {total} chunks, {len(acknowledged)} acknowledgements")
    t.equal(server.stop(), 0, "exit code of the coordinator after SIGTERM")
    check_clean(t, server.data)


def everything_is_killed_while_games_are_played(t):
    rounds = 4 if harness.QUICK else 15
    chance = random.Random(SEED)
    t.note(f"TENGEN_TEST_SEED={SEED}")
    games = 10 * rounds
    server = t.server(lease_s=3)
    job = server.api.expect(201, "POST", "/api/v1/jobs", json={
        "kind": "selfplay", "name": "crash", "config": {
            "games": games, "games_per_task": 2, "board": 7, "player": {"type": "uct", "playouts": 400}}})["id"]
    agent = t.worker(server, runners=2)
    killed = {"coordinator": 0, "agent": 0, "runner": 0}
    for _ in range(rounds):
        for victim in chance.sample(["coordinator", "agent", "runner"], 3):
            time.sleep(chance.uniform(0.05, 0.5))
            if victim == "coordinator":
                server.kill()
                server = restart(t, server)
            elif victim == "agent":
                agent.kill()
                agent = t.worker(server, data=agent.data, runners=2)
            elif not kill_a_runner(chance, server, agent, job):
                continue
            killed[victim] += 1
    t.note(f"killed: {killed}")

    def ended():
        state = server.api.expect(200, "GET", f"/api/v1/jobs/{job}")
        return state if state["state"] in ("succeeded", "failed", "cancelled") else None

    state = harness.wait_for(ended, 150, f"job {job} to end", every=0.3)
    t.equal((state["state"], state["error"]), ("succeeded", None), "how the job ended")
    t.equal(state["units"], {"total": games, "done": games, "leased": 0}, "its games")
    t.equal(state["totals"]["games"], games, "the sum of its chunks' games")
    t.equal(len(stored_chunks(server.api, job)), games, "its chunks")
    t.equal(len(server.api.pages(f"/api/v1/jobs/{job}/games")), games, "the games listed")
    t.equal(agent.stop(), 0, "exit code of the agent after SIGTERM")
    t.equal(server.stop(), 0, "exit code of the coordinator after SIGTERM")
    check_clean(t, server.data)


def kill_a_runner(chance, server, agent, job):
    """Kills one unless its task has failed often already: five failures fail the job, as they should."""
    tasks = server.api.expect(200, "GET", f"/api/v1/jobs/{job}/tasks?state=leased&limit=500")["items"]
    pids = agent.runner_pids()
    if not pids or any(task["attempt"] >= 4 for task in tasks):
        return False
    with contextlib.suppress(ProcessLookupError):
        os.kill(chance.choice(pids), signal.SIGKILL)
    return True


if __name__ == "__main__":
    harness.run(the_coordinator_is_killed_under_load, everything_is_killed_while_games_are_played, timeout=280)
