"""Starting, stopping, backing up and upgrading a coordinator that has work to do."""
# run_tests: timeout=400

import os
import pathlib
import signal
import sqlite3
import threading
import time

import harness

DATA = harness.ROOT / "tests" / "data"


def submit(server, games=400, kind="selfplay", **more):
    return server.api.expect(201, "POST", "/api/v1/jobs", json={
        "kind": kind, "name": "life", "config": {"games": games, "games_per_task": 4, "board": 5, **more}})["id"]


def check_clean(t, data):
    done = t.tool("tengen-server", "--check", "--data", data)
    if done.returncode != 0:
        t.fail(f"--check: exit code {done.returncode}\n{done.stdout.decode()}\n{done.stderr.decode()}")


class Deliverer(threading.Thread):
    """Delivers chunks as fast as it can until the coordinator does not answer; counts the acknowledged ones."""

    def __init__(self, server, number):
        super().__init__(daemon=True)
        self.worker = harness.FakeWorker(harness.Api(server.url), name=f"deliverer {number}")
        self.acknowledged, self.refused, self.torn = 0, set(), 0

    def run(self):
        try:
            while True:
                for task in self.worker.lease(wait_s=1)["tasks"]:
                    for seq in range(task["units"]):
                        answer = self.worker.chunk(task, seq, harness.game_chunk())
                        if answer.status != 201:
                            self.refused.add((answer.status, answer.json["code"]))
                            return
                        self.acknowledged += 1
                    self.worker.done(task, task["units"])
        except ConnectionRefusedError:
            pass  # it is gone, in order
        except (OSError, harness.Failure):
            self.torn += 1


def a_graceful_stop_loses_nothing(t):
    server = t.server()
    job = submit(server, games=100000)
    deliverers = [Deliverer(server, n) for n in range(4)]
    for each in deliverers:
        each.start()
    harness.wait_for(lambda: all(each.acknowledged > 3 for each in deliverers), 20, "some deliveries")
    t.equal(server.stop(), 0, "exit code after SIGTERM")
    for each in deliverers:
        each.join()
    for each in deliverers:
        t.true(each.refused <= {(503, "shutting_down")}, f"refused only because of the stop: {each.refused}")
    check_clean(t, server.data)
    server = t.server(data=server.data)
    done = server.api.expect(200, "GET", f"/api/v1/jobs/{job}")["units"]["done"]
    t.at_least(done, sum(each.acknowledged for each in deliverers), "games after the restart")
    t.at_most(done, sum(each.acknowledged + each.torn for each in deliverers),
              "games after the restart (a torn answer may have been stored)")


def an_idle_coordinator_stops_at_once_even_with_open_streams(t):
    server = t.server()
    worker = harness.FakeWorker(server.api)
    waiting = threading.Thread(target=lambda: _ignore(lambda: worker.lease(wait_s=60)), daemon=True)
    waiting.start()
    with server.api.events() as events:
        started = time.monotonic()
        t.equal(server.stop(20), 0, "exit code after SIGTERM")
        for _ in events:
            pass  # the stream ends
        t.note(f"stopped after {time.monotonic() - started:.2f} s")
    waiting.join(10)
    t.true(not waiting.is_alive(), "the long poll was answered or closed")


def _ignore(call):
    try:
        call()
    except (OSError, harness.Failure):
        pass


def a_stopped_agent_goes_on_where_it_was(t):
    server = t.server()
    agent = t.worker(server, runners=1)
    job = submit(server, games=200, board=7, games_per_task=100, player={"type": "uct", "playouts": 300})
    harness.wait_for(lambda: done(server, job) >= 2, 40, "two games")
    t.equal(agent.stop(), 0, "exit code of the agent after SIGTERM")
    before = done(server, job)
    time.sleep(0.5)
    t.equal(done(server, job), before, "games while no agent runs")
    agent = t.worker(server, data=agent.data, runners=1)
    harness.wait_for(lambda: done(server, job) >= before + 2, 60, "two more games")
    workers = server.api.pages("/api/v1/workers")
    t.equal(len(workers), 1, "the agent is known as the same worker")


def done(server, job):
    return server.api.expect(200, "GET", f"/api/v1/jobs/{job}")["units"]["done"]


def a_backup_of_a_live_database_restores(t):
    server = t.server()
    job = submit(server, games=100000)
    deliverers = [Deliverer(server, n) for n in range(3)]
    for each in deliverers:
        each.start()
    harness.wait_for(lambda: all(each.acknowledged > 3 for each in deliverers), 20, "some deliveries")
    before = sum(each.acknowledged for each in deliverers)
    copy = t.folder("backup") / "copy.db"
    t.tool("tengen-server", "--backup", copy, "--data", server.data, check=0)
    after = sum(each.acknowledged for each in deliverers)
    t.true(server.running(), "the coordinator goes on during a backup")
    harness.wait_for(lambda: sum(each.acknowledged for each in deliverers) > after, 20, "deliveries after the backup")
    server.kill()
    restored = t.folder("restored")
    copy.rename(restored / "tengen.db")
    check_clean(t, restored)
    second = t.server(data=restored)
    kept = done(second, job)
    t.at_least(kept, before, "games acknowledged before the backup began")
    t.equal(len(second.api.pages(f"/api/v1/jobs/{job}/games")), kept, "games listed in the restored database")


def an_agent_goes_on_with_a_restored_backup(t):
    """The restored database is another coordinator: what it has not seen is done again, and nothing is there twice."""
    server = t.server()
    engine, go = t.slow_engine()
    job = submit(server, kind="teacher", games=40, engine="slow")
    worker = t.worker(server, engine=engine)
    harness.wait_for(lambda: done(server, job) >= 2, 30, "the first games")
    restored = t.folder("restored")
    t.tool("tengen-server", "--backup", restored / "tengen.db", "--data", server.data, check=0)
    saved = done(server, job)
    harness.wait_for(lambda: done(server, job) > saved, 30, "a game that the backup has not")
    server.kill()
    second = t.server(data=restored, port=server.port)
    go.touch()
    state = lambda: second.api.expect(200, "GET", f"/api/v1/jobs/{job}")
    harness.wait_for(lambda: state()["state"] == "succeeded", 90, "the job to end")
    t.equal((state()["totals"]["games"], state()["error"]), (40, None), "games, each once")
    games = second.api.pages(f"/api/v1/jobs/{job}/games")
    by_task = {task["id"]: task["units"] for task in second.api.pages(f"/api/v1/jobs/{job}/tasks")}
    t.equal({number: sum(game["task"] == number for game in games) for number in by_task}, by_task, "games of each task")
    t.equal([w["id"] for w in second.api.pages("/api/v1/workers")], [1], "the agent is known by its old number")
    t.equal(worker.stop(), 0, "the agent's exit code")
    t.equal(second.stop(), 0, "the coordinator's exit code")
    check_clean(t, restored)


def a_second_coordinator_on_the_same_data_is_refused(t):
    server = t.server()
    refused = t.tool("tengen-server", "--port", 0, "--data", server.data)
    t.true(refused.returncode not in (0, -signal.SIGSEGV), f"exit code {refused.returncode}")
    t.contains(refused.stderr.decode(), str(server.data), "the message names the folder")
    t.equal(server.api.get("/healthz").status, 200, "the first one is unharmed")


def every_earlier_schema_is_upgraded(t):
    dumps = sorted(DATA.glob("schema-*.sql"))
    t.at_least(len(dumps), 1, "dumps of earlier versions")
    for dump in dumps:
        with t.subtest(dump.name):
            folder = t.folder("old")
            expected = _restore(dump, folder)
            server = t.server(data=folder)
            jobs = server.api.pages("/api/v1/jobs")
            t.equal(sorted(job["id"] for job in jobs), expected["jobs"], "jobs")
            games = server.api.pages("/api/v1/games")
            t.equal(len(games), expected["games"], "games")
            t.equal(len(server.api.pages("/api/v1/checkpoints")), expected["checkpoints"], "checkpoints")
            t.equal(server.api.get(f"/api/v1/games/{games[0]['id']}.sgf").body[:2], b"(;", "a record")
            worker = harness.FakeWorker(server.api)
            submit(server, games=1)
            task = harness.wait_for(lambda: worker.lease(wait_s=1)["tasks"], 10, "a task")[0]
            t.equal(worker.chunk(task, 0, harness.game_chunk()).status, 201, "a chunk is taken")
            old = expected["chunk"]
            t.equal(worker.chunk(old, old["seq"], old["data"]).status, 200, "an old chunk is known again")
            t.equal(worker.chunk(old, old["seq"], harness.game_chunk()).status, 409, "another is not taken for it")
            t.equal(server.stop(), 0, "exit code")
            check_clean(t, folder)


def _restore(dump: pathlib.Path, folder: pathlib.Path):
    os.chmod(folder, 0o700)
    with sqlite3.connect(folder / "tengen.db") as database:
        database.executescript(dump.read_text(encoding="utf-8"))
        jobs = [row[0] for row in database.execute("SELECT id FROM jobs ORDER BY id")]
        games = database.execute("SELECT count(*) FROM games").fetchone()[0]
        checkpoints = database.execute("SELECT count(*) FROM checkpoints").fetchone()[0]
        row = database.execute("SELECT task, attempt, seq, data FROM chunks WHERE data IS NOT NULL").fetchone()
    database.close()
    return {"jobs": jobs, "games": games, "checkpoints": checkpoints,
            "chunk": dict(zip(("id", "attempt", "seq", "data"), row))}


if __name__ == "__main__":
    harness.run(a_graceful_stop_loses_nothing, an_idle_coordinator_stops_at_once_even_with_open_streams,
                a_stopped_agent_goes_on_where_it_was, a_backup_of_a_live_database_restores,
                an_agent_goes_on_with_a_restored_backup,
                a_second_coordinator_on_the_same_data_is_refused, every_earlier_schema_is_upgraded, timeout=120)
