"""The API: every answer has the shape that its description says, and the calls do what docs/protocol.md says."""
# run_tests: timeout=400

import concurrent.futures
import contextlib
import hashlib
import itertools
import json
import os
import re
import socket
import sqlite3
import struct
import time

import harness


# ---------------------------------------------------------------------------------------------------------------------
# A validator for the part of JSON Schema that proto/openapi.yaml uses

TYPES = {"object": dict, "array": list, "string": str, "boolean": bool, "null": type(None)}


def fits_type(value, name):
    if name == "integer":
        return isinstance(value, int) and not isinstance(value, bool)
    if name == "number":
        return isinstance(value, (int, float)) and not isinstance(value, bool)
    return isinstance(value, TYPES[name])


def complaint(document, schema, value, where="$"):
    """What is wrong with the value; None when it fits. Members that the schema does not name are wrong too."""
    if "$ref" in schema:
        return complaint(document, document["components"]["schemas"][schema["$ref"].rpartition("/")[2]], value, where)
    if "oneOf" in schema:
        said = [complaint(document, one, value, where) for one in schema["oneOf"]]
        return None if None in said else f"{where}: fits none of {len(said)}: {said}"
    if "allOf" in schema:
        merged = {"type": "object", "properties": {}, "required": []}
        for one in schema["allOf"]:
            one = document["components"]["schemas"][one["$ref"].rpartition("/")[2]] if "$ref" in one else one
            merged["properties"].update(one["properties"])
            merged["required"] += one["required"]
        return complaint(document, merged, value, where)
    kinds = schema.get("type", [])
    kinds = [kinds] if isinstance(kinds, str) else kinds
    if kinds and not any(fits_type(value, kind) for kind in kinds):
        return f"{where}: {value!r} is not {kinds}"
    if "enum" in schema and value not in schema["enum"]:
        return f"{where}: {value!r} is not of {schema['enum']}"
    return complaint_inside(document, schema, value, where)


def complaint_inside(document, schema, value, where):
    if isinstance(value, list) and "items" in schema:
        for at, one in enumerate(value):
            if said := complaint(document, schema["items"], one, f"{where}[{at}]"):
                return said
    if isinstance(value, dict) and "properties" in schema:
        for name in schema.get("required", []):
            if name not in value:
                return f"{where}: {name} is missing"
        for name, one in value.items():
            if name not in schema["properties"]:
                return f"{where}: {name} is not described"
            if said := complaint(document, schema["properties"][name], one, f"{where}.{name}"):
                return said
    return None


class Described:
    """Calls that must answer as openapi.json says."""

    def __init__(self, t, api):
        self.t, self.api = t, api
        self.document = api.expect(200, "GET", "/api/v1/openapi.json")
        self.seen = set()

    def call(self, status, method, path, pattern=None, **more):
        answer = self.api.call(method, path, **more)
        pattern = pattern or path.partition("?")[0]
        described = self.document["paths"][pattern][method.lower()]["responses"]
        self.t.equal(answer.status, status, f"{method} {path}: {answer!r}")
        self.t.true(str(status) in described, f"{method} {pattern}: {status} is described")
        self.seen.add((method, pattern))
        content = described[str(status)].get("content", {})
        kind = (answer.headers.get("Content-Type") or "").partition(";")[0]
        if content:
            self.t.true(kind in content, f"{method} {path}: type {kind} is one of {list(content)}")
        if kind == "application/json":
            self.t.equal(complaint(self.document, content[kind]["schema"], answer.json), None,
                         f"shape of {method} {path}: {answer!r}")
            return answer.json
        return answer


SELFPLAY = {"kind": "selfplay", "name": "shapes", "config": {"games": 4, "games_per_task": 2, "board": 5}}


def chunk(number):
    """A chunk of one game that differs from those of other numbers."""
    return harness.game_chunk(note=str(number))


GAME = b"(;FF[4]GM[1]SZ[9]KM[7]RE[B+1];B[ee];W[cc];B[dd];W[];B[])"


def safetensors(size=1000):
    header = json.dumps({"__metadata__": {"step": "1"}, "w": {"dtype": "U8", "shape": [size], "data_offsets": [0, size]}})
    header += " " * (-len(header) % 8)
    return struct.pack("<Q", len(header)) + header.encode() + bytes(i * 7 & 255 for i in range(size))


def a_job_counts_how_far_what_is_in_hand_is(t):
    server = t.server()
    job = server.api.expect(201, "POST", "/api/v1/jobs", json=SELFPLAY)["id"]
    worker = harness.FakeWorker(server.api)
    task = worker.lease()["tasks"][0]

    def progress():
        return server.api.get(f"/api/v1/jobs/{job}").json["progress"]

    def says(sequence, value):
        answer = worker.beat(task, sequence, metrics=[{"name": "progress", "step": sequence, "value": value}])
        t.equal(answer.status, 200, f"the beat: {answer!r}")
        return progress()

    t.equal(progress(), 0, "before the first beat")
    t.equal(says(1, 0.5), 0.125, "half of one of four games")
    t.equal(worker.beat(task, 2).status, 200, "a beat without a word on it")
    t.equal(progress(), 0.125, "and nothing is forgotten")
    t.equal(says(3, 7), 0.2475, "no more than one game is in hand, and it has its end to come")
    job_now = server.api.get(f"/api/v1/jobs/{job}").json
    t.at_least(job_now["eta_s"], 1, "seconds left, though nothing is stored yet")
    t.equal(worker.chunk(task, 0, chunk(0)).status, 201, "the game is stored")
    t.equal(progress(), 0.25, "what was in hand is done and counted once")


def every_answer_has_its_shape(t):
    server = t.server()
    d = Described(t, server.api)
    job = d.call(201, "POST", "/api/v1/jobs", json=SELFPLAY)
    one, other = "/api/v1/jobs/{id}", f"/api/v1/jobs/{job['id']}"
    worker = d.call(201, "POST", "/api/v1/workers", json={
        "name": "shape", "instance": "0" * 32, "protocol": {"min": 1, "max": 1}, "runners": 1,
        "capabilities": ["kind:selfplay"], "machine": {"os": "test"}})["id"]
    lease = d.call(200, "POST", f"/api/v1/workers/{worker}/lease", "/api/v1/workers/{id}/lease",
                   json={"free": 1, "wait_s": 0})
    task = lease["tasks"][0]
    base = f"/api/v1/tasks/{task['id']}"
    d.call(200, "POST", base + "/beat", "/api/v1/tasks/{id}/beat", json={
        "worker": worker, "attempt": 1, "sequence": 1, "metrics": [{"name": "loss", "step": 1, "value": 0.5}],
        "log": [{"time_ms": 1, "level": "info", "text": "hello"}],
        "progress": {"done": 1, "rate_per_s": 2.0, "live": [
            {"game": 0, "board": 5, "komi": 7, "black": "a", "white": "b", "moves": ["cc", ""]}]}})
    live = d.call(200, "GET", other + "/live", one + "/live")
    t.equal([game["moves"] for game in live["games"]], [["cc", ""]], "the live game")
    state = d.call(200, "GET", other, one)
    t.equal((state["rate_per_s"], state["eta_s"], state["progress"]), (2.0, 2, 0), "rate and what is left of it")
    for seq in range(2):
        d.call(201, "POST", f"{base}/chunks?worker={worker}&attempt=1&seq={seq}", "/api/v1/tasks/{id}/chunks",
               body=chunk(seq), headers={"Content-Type": "application/vnd.tengen.chunk"})
    d.call(200, "POST", f"{base}/chunks?worker={worker}&attempt=1&seq=1", "/api/v1/tasks/{id}/chunks",
           body=chunk(1), headers={"Content-Type": "application/vnd.tengen.chunk"})
    d.call(200, "POST", base + "/done", "/api/v1/tasks/{id}/done", json={"worker": worker, "attempt": 1, "chunks": 2})
    task = d.call(200, "POST", f"/api/v1/workers/{worker}/lease", "/api/v1/workers/{id}/lease",
                  json={"free": 1})["tasks"][0]
    d.call(200, "POST", f"/api/v1/tasks/{task['id']}/fail", "/api/v1/tasks/{id}/fail",
           json={"worker": worker, "attempt": 1, "code": "engine_failed", "detail": "it died"})
    for path in ("tasks", "games", "checkpoints"):
        d.call(200, "GET", f"{other}/{path}", f"{one}/{path}")
    for path in ("metrics", "log"):
        answer = d.call(200, "GET", f"{other}/{path}", f"{one}/{path}")
        t.equal(len(answer.lines), 1, f"lines of {path}")
    for path in ("jobs", "games", "workers", "kinds", "stats", "checkpoints", "datasets", "tokens", "whoami"):
        d.call(200, "GET", f"/api/v1/{path}")
    game = d.call(200, "GET", "/api/v1/games")["items"][0]
    t.equal(d.call(200, "GET", f"/api/v1/games/{game['id']}", "/api/v1/games/{id}"), game, "a game, alone and listed")
    record = d.call(200, "GET", f"/api/v1/games/{game['id']}.sgf", "/api/v1/games/{id}.sgf")
    t.equal(record.body[:6], b"(;FF[4", "its record")
    stream = d.call(200, "GET", f"/api/v1/streams/{job['id']}", "/api/v1/streams/{id}")
    t.equal(stream.body.count(b"TGC1"), 2, "chunks in the stream")
    kept = d.call(200, "PUT", other + "/retention", one + "/retention", json={"chunks": 1000})
    t.equal(kept["retention"], {"chunks": 1000, "seconds": 0}, "retention")
    for action in ("pause", "resume", "cancel"):
        d.call(200, "POST", f"{other}/{action}", f"{one}/{action}")
    for action in ("drain", "disable", "enable"):
        d.call(200, "POST", f"/api/v1/workers/{worker}/{action}", "/api/v1/workers/{id}/" + action)
    d.call(201, "PUT", "/api/v1/checkpoints", body=safetensors(), headers={"Content-Type": "application/octet-stream"})
    d.call(200, "GET", "/api/v1/checkpoints")
    d.call(201, "POST", "/api/v1/datasets?name=x", body=GAME, headers={"Content-Type": "text/plain"})
    d.call(200, "GET", "/api/v1/datasets")
    d.call(204, "DELETE", "/api/v1/datasets/1", "/api/v1/datasets/{id}")
    for path in ("/healthz", "/readyz", "/metrics", "/"):
        d.call(200, "GET", path)
    for method, path in (("GET", "/api/v1/ratings"), ("POST", f"/api/v1/workers/{worker}/canary")):
        t.problem(server.api.call(method, path), 501, "not_implemented")
    token = d.call(201, "POST", "/api/v1/tokens", json={"role": "admin", "name": "first"})["token"]
    d.api = server.api_as(token)
    d.call(200, "GET", "/api/v1/tokens")
    d.call(200, "POST", "/api/v1/session", json={"token": token})
    d.call(204, "DELETE", "/api/v1/session")
    second = d.call(201, "POST", "/api/v1/tokens", json={"role": "view", "name": "second"})["id"]
    d.call(204, "DELETE", f"/api/v1/tokens/{second}", "/api/v1/tokens/{id}")
    t.at_least(len(d.seen), 42, "calls that were looked at")
    t.equal(server.stop(), 0, "exit code")
    t.tool("tengen-server", "--check", "--data", server.data, check=0)


def lists_are_paged_by_cursor(t):
    api = t.server().api
    ids = [api.expect(201, "POST", "/api/v1/jobs", json=SELFPLAY)["id"] for _ in range(7)]
    t.equal([job["id"] for job in api.pages("/api/v1/jobs", limit=3)], ids[::-1], "newest first, each once")
    page = api.expect(200, "GET", "/api/v1/jobs?limit=7")
    t.equal((len(page["items"]), page["next"]), (7, None), "a page that ends with the list")
    api.expect(200, "POST", f"/api/v1/jobs/{ids[2]}/cancel")
    t.equal([job["id"] for job in api.pages("/api/v1/jobs?state=cancelled")], [ids[2]], "only the cancelled one")
    t.equal(api.pages("/api/v1/jobs?kind=match"), [], "of another kind")


def a_set_of_jobs_runs_in_order(t):
    api = t.server().api
    jobs = api.expect(201, "POST", "/api/v1/jobs", json={"jobs": [
        {"local": "a", **SELFPLAY}, {"local": "b", "after": ["a"], **SELFPLAY}]})["jobs"]
    first, second = (job["id"] for job in jobs)
    t.equal(jobs[1]["after"], [first], "the local name became an id")
    t.problem(api.post("/api/v1/jobs", json={"jobs": [{"after": ["x"], **SELFPLAY}]}), 400, "invalid", "jobs.0.after")
    t.equal(len(api.pages("/api/v1/jobs")), 2, "a set with a fault leaves nothing")
    t.contains(api.expect(200, "GET", f"/api/v1/jobs/{second}")["reason"], str(first), "why the second waits")
    worker = harness.FakeWorker(api, runners=9)
    tasks = worker.lease(free=9)["tasks"]
    t.equal({task["job"] for task in tasks}, {first}, "only the first job's tasks")
    api.expect(200, "POST", f"/api/v1/jobs/{first}/cancel")
    state = harness.wait_for(
        lambda: (job := api.expect(200, "GET", f"/api/v1/jobs/{second}"))["state"] == "failed" and job, 10,
        "the second job to fail with the first")
    t.contains(state["error"]["detail"], str(first), "why it failed")


def the_same_key_gives_the_same_answer(t):
    server = t.server()
    first = server.api.post("/api/v1/jobs", json=SELFPLAY, headers={"Idempotency-Key": "k1"})
    again = server.api.post("/api/v1/jobs", json=SELFPLAY, headers={"Idempotency-Key": "k1"})
    t.equal((again.status, again.body), (first.status, first.body), "the answer to the same again")
    t.equal(again.headers["Location"], first.headers["Location"], "its Location")
    other = dict(SELFPLAY, name="other")
    t.problem(server.api.post("/api/v1/jobs", json=other, headers={"Idempotency-Key": "k1"}), 422,
              "idempotency_conflict", "Idempotency-Key")
    t.problem(server.api.post("/api/v1/jobs", json=other, headers={"Idempotency-Key": "a b"}), 400, "invalid",
              "Idempotency-Key")
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        ids = {answer.json["id"] for answer in pool.map(
            lambda _: server.api.post("/api/v1/jobs", json=SELFPLAY, headers={"Idempotency-Key": "k2"}), range(8))}
    t.equal(len(ids), 1, "eight at once made one job")
    server.kill()
    server = t.server(data=server.data)
    again = server.api.post("/api/v1/jobs", json=SELFPLAY, headers={"Idempotency-Key": "k1"})
    t.equal(again.body, first.body, "the same after the server was killed")


def a_job_that_is_read_is_never_stale(t):
    api = t.server().api
    job = api.expect(201, "POST", "/api/v1/jobs", json=SELFPLAY)["id"]
    worker = harness.FakeWorker(api)
    task = worker.lease()["tasks"][0]

    def read():
        return api.expect(200, "GET", f"/api/v1/jobs/{job}")

    t.equal((read()["state"], read()["tasks"]["leased"], read()["units"]["leased"]), ("running", 1, 2), "leased")
    for seq in range(2):
        t.equal(worker.chunk(task, seq, chunk(seq)).status, 201, "chunk")
        state = read()
        t.equal((state["units"]["done"], state["totals"]["games"]), (seq + 1, seq + 1), "right after its 201")
    t.equal(worker.done(task, 2).status, 200, "done")
    t.equal(read()["tasks"], {"pending": 1, "leased": 0, "done": 1, "failed": 0, "cancelled": 0}, "right after done")
    api.expect(200, "POST", f"/api/v1/jobs/{job}/pause")
    t.equal(read()["state"], "paused", "paused")
    api.expect(200, "POST", f"/api/v1/jobs/{job}/cancel")
    api.expect(200, "POST", f"/api/v1/jobs/{job}/cancel")
    t.problem(api.post(f"/api/v1/jobs/{job}/resume"), 409, "wrong_state")


def a_long_poll_gets_work_as_soon_as_there_is_some(t):
    server = t.server()
    api = server.api
    worker = harness.FakeWorker(api)
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        waiting = pool.submit(worker.lease, 1, 30)
        server.wait_parked()
        t.true(not waiting.done(), "it waits")
        api.expect(201, "POST", "/api/v1/jobs", json=SELFPLAY)
        t.equal(len(waiting.result(30 * harness.SLOW)["tasks"]), 1, "tasks")
        # A second call answers the first one, which nobody reads any more.
        api.expect(200, "POST", "/api/v1/jobs/1/cancel")
        first = pool.submit(worker.lease, 1, 30)
        # Again until it has been overtaken: it may not have arrived yet.
        harness.wait_for(lambda: worker.lease(1, 0) and first.done(), 10, "the first call's answer")
        t.equal(first.result(30 * harness.SLOW)["tasks"], [], "the call that was overtaken")
    empty = worker.lease(1, 1)
    t.equal(empty["tasks"], [], "nothing to do")
    t.true(empty["wait_reason"], "and why")
    api.expect(200, "POST", f"/api/v1/workers/{worker.id}/drain")
    t.equal(worker.lease(1, 30)["drain"], True, "drained: the answer comes at once")


def a_task_goes_to_nobody_who_has_hung_up(t):
    server = t.server()
    worker, other = harness.FakeWorker(server.api), harness.FakeWorker(server.api, name="other")
    body = b'{"free":1,"wait_s":30}'
    gone = server.api.connect()
    gone.sendall(b"POST /api/v1/workers/%d/lease HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
                 b"Content-Length: %d\r\n\r\n%s" % (worker.id, len(body), body))
    server.wait_parked()
    gone.close()
    server.api.expect(201, "POST", "/api/v1/jobs", json=dict(SELFPLAY, config={"games": 2, "games_per_task": 2}))
    task = other.lease(1, 10)["tasks"][0]
    t.equal(task["attempt"], 1, "the other worker gets the first attempt")


def a_lease_lapses_and_comes_back(t):
    server = t.server(lease_s=3)
    api = server.api
    api.expect(201, "POST", "/api/v1/jobs", json=dict(SELFPLAY, config={"games": 2, "games_per_task": 2, "board": 5}))
    worker, other = harness.FakeWorker(api), harness.FakeWorker(api, name="other")
    task = worker.lease()["tasks"][0]
    t.equal(worker.beat(task).json["action"], "continue", "a beat")
    t.problem(other.beat(task), 409, "lease_lost")
    t.problem(worker.beat({**task, "id": 77}), 404, "not_found", "id")
    lapsed = harness.wait_for(lambda: [one for one in api.pages("/api/v1/jobs/1/tasks") if one["state"] == "pending"],
                              15, "the lease to lapse")
    t.equal(lapsed[0]["id"], task["id"], "the lapsed task")
    t.equal(worker.beat(task).status, 200, "a beat of the holder, who is back before anybody took the task")
    t.equal(worker.chunk(task, 0, chunk(0)).status, 201, "its chunk")
    held = worker.lease(0, 0, [{"task": task["id"], "attempt": 1}])
    t.equal(held["held"], [{"task": task["id"], "attempt": 1}], "it holds it again")
    t.equal(worker.lease(0, 0, [])["held"], [], "now it says that it holds nothing")
    again = other.lease(1, 10)["tasks"][0]
    t.equal((again["id"], again["attempt"], again["units_done"]), (task["id"], 2, 1), "the next attempt, the rest only")
    t.problem(worker.beat(task), 409, "lease_lost")
    t.problem(worker.chunk(task, 1, chunk(1)), 409, "lease_lost")
    t.equal(worker.chunk(task, 0, chunk(0)).status, 200, "what is stored already is a success")
    t.problem(worker.chunk(task, 0, chunk(9)), 409, "chunk_conflict", "seq")
    t.problem(other.done(again, 5), 409, "chunks_missing")


def a_job_says_that_its_workers_are_away(t):
    server = t.server(lease_s=3)
    server.api.expect(201, "POST", "/api/v1/jobs", json=SELFPLAY)

    def reason():
        return server.api.expect(200, "GET", "/api/v1/jobs/1")["reason"]

    worker = harness.FakeWorker(server.api)
    here = "waits for a free runner"
    harness.wait_for(lambda: worker.lease(0) and reason() == here, 20, "the reason while the worker is there")
    harness.wait_for(lambda: "offline" in reason(), 20, "the worker to be missed")
    harness.wait_for(lambda: worker.lease(0) and reason() == here, 20, "the reason when it is back")
    server.stop()
    server = t.server(data=server.data, lease_s=3)
    t.contains(reason(), "every worker that could do it is offline", "known, but not seen since the start")


def a_worker_says_that_it_leaves(t):
    server = t.server()
    api = server.api
    api.expect(201, "POST", "/api/v1/jobs", json={**SELFPLAY, "config": {**SELFPLAY["config"], "games": 12, "games_per_task": 6}})
    worker, other = harness.FakeWorker(api, "leaves"), harness.FakeWorker(api, "stays")
    first, second = worker.lease(2)["tasks"]

    def leave(**more):
        return api.post(f"/api/v1/workers/{worker.id}/lease", json={"free": 1, **more})

    def online(name):
        return {w["name"]: w["online"] for w in api.pages("/api/v1/workers")}[name]

    t.problem(leave(leaving="yes"), 400, "wrong_type", "leaving")
    kept = {"task": first["id"], "attempt": 1}
    answer = leave(leaving=True, wait_s=30, holding=[kept])
    t.equal((answer.status, answer.json["tasks"], answer.json["held"]), (200, [], [kept]), "the answer, at once")
    t.equal((online("leaves"), online("stays")), (False, True), "online")
    t.equal([task["id"] for task in other.lease(2)["tasks"]], [second["id"]], "what is handed out again at once")
    held = worker.lease(0, 0, [kept])["held"]
    t.equal((held, online("leaves")), ([kept], True), "back, with what it kept")


def a_match_that_is_decided_early_has_not_failed(t):
    api = t.server().api
    player = {"type": "uct"}
    api.expect(201, "POST", "/api/v1/jobs", json={"kind": "match", "config": {
        "games": 200, "games_per_task": 100, "a": player, "b": player, "board": 5,
        "sprt": {"enabled": True, "elo0": 0, "elo1": 200}}})
    worker = harness.FakeWorker(api, capabilities=("kind:match",))
    task = worker.lease()["tasks"][0]

    def ended():
        job = api.expect(200, "GET", "/api/v1/jobs/1")
        return job if job["ended_ms"] else None

    for seq in range(100):
        counters = {"wins_a": 1} | ({"pairs_4": 1} if seq % 2 else {})
        if worker.chunk(task, seq, harness.game_chunk(counters, note=str(seq))).status != 201:
            break
    job = harness.wait_for(ended, 10, "the test to decide")
    t.equal(job["state"], "succeeded", "state")
    t.equal(job["tasks"], {"pending": 0, "leased": 0, "done": 0, "failed": 0, "cancelled": 2}, "tasks")
    t.equal(job["reason"], f"ended early: the SPRT accepted H1 after {job['units']['done']} games", "reason")
    t.equal([one["state"] for one in api.pages("/api/v1/jobs/1/tasks")], ["cancelled"], "the task it cut off")


def a_drained_task_is_put_back(t):
    api = t.server().api
    api.expect(201, "POST", "/api/v1/jobs", json=dict(SELFPLAY, config={"games": 3, "games_per_task": 3, "board": 5}))
    worker = harness.FakeWorker(api)
    task = worker.lease()["tasks"][0]
    worker.chunk(task, 0, chunk(0))
    t.equal(worker.done(task, 1, units=1).json, {"state": "pending", "units_left": 2}, "put back")
    again = worker.lease(1, 5)["tasks"][0]
    t.equal((again["attempt"], again["units_done"]), (2, 1), "the rest, at once")


def five_failures_fail_the_job(t):
    api = t.server().api
    api.expect(201, "POST", "/api/v1/jobs", json=dict(SELFPLAY, config={"games": 2, "games_per_task": 2, "board": 5}))
    worker = harness.FakeWorker(api)
    for attempt in range(1, 6):
        task = worker.lease(1, 40)["tasks"][0]
        t.equal(task["attempt"], attempt, "attempt")
        t.equal(worker.fail(task, "engine_failed", "it died").status, 200, "fail")
        if attempt == 2:
            break  # each waits twice as long as the one before; the store's tests count to five
    state = api.expect(200, "GET", "/api/v1/jobs/1")
    t.equal((state["state"], state["tasks"]["pending"]), ("running", 1), "tried again")
    error = api.pages("/api/v1/jobs/1/tasks")[0]["error"]
    t.equal((error["code"], error["detail"]), ("engine_failed", "worker fake: it died"), "why it failed")


def content_goes_in_and_comes_out(t):
    server = t.server()
    api = server.api
    data = safetensors(3_000_001)
    digest = hashlib.sha256(data).hexdigest()
    put = {"Content-Type": "application/octet-stream"}
    t.equal(api.call("PUT", "/api/v1/checkpoints?name=big", body=data, headers={**put, "X-Tengen-Sha256": digest}).json,
            {"sha256": digest, "bytes": len(data), "existed": False}, "the upload")
    t.equal(api.call("PUT", "/api/v1/checkpoints", body=data, headers=put).json["existed"], True, "once more")
    path = f"/api/v1/checkpoints/{digest}"
    whole = api.get(path)
    t.true(whole.body == data, "what comes out is what went in")
    t.equal(whole.headers["ETag"], f'"{digest}"', "ETag")
    part = api.get(path, headers={"Range": "bytes=1000000-1999999"})
    t.equal((part.status, part.headers["Content-Range"]), (206, f"bytes 1000000-1999999/{len(data)}"), "a part")
    t.true(part.body == data[1000000:2000000], "the part's bytes")
    tail = api.get(path, headers={"Range": "bytes=-10"})
    t.equal((tail.status, tail.body), (206, data[-10:]), "the last ten bytes")
    t.problem(api.get(path, headers={"Range": f"bytes={len(data)}-"}), 416, "range_not_satisfiable", "Range")
    same = api.get(path, headers={"If-None-Match": f'"{digest}"'})
    t.equal((same.status, same.body), (304, b""), "not modified")
    head = api.call("HEAD", path)
    t.equal((head.status, head.headers["Content-Length"], head.body), (200, str(len(data)), b""), "HEAD")
    t.problem(api.call("PUT", "/api/v1/checkpoints", body=data, headers={**put, "X-Tengen-Sha256": "0" * 64}), 422,
              "digest_mismatch", "X-Tengen-Sha256")
    damaged = api.call("PUT", "/api/v1/checkpoints", body=data[:-1], headers=put)
    t.equal(damaged.status // 100, 4, f"a file that is cut short: {damaged!r}")
    chunked = api.call("POST", "/api/v1/datasets?name=set", body=iter([GAME * 6000, GAME]),
                       headers={"Content-Type": "text/plain"})
    t.equal((chunked.status, chunked.json["bytes"]), (201, 6001 * len(GAME)), "an upload of unknown size")
    t.equal(api.get(f"/api/v1/datasets/{chunked.json['id']}").body, GAME * 6001, "the data set")
    with server.api.connect() as gone:  # hangs up in the middle
        gone.sendall(b"PUT /api/v1/checkpoints HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/octet-stream\r\n"
                     b"Content-Length: 1000000\r\n\r\n" + b"x" * 500000)
        time.sleep(0.2)
    t.equal(len(api.pages("/api/v1/checkpoints")), 1, "checkpoints")
    t.equal(server.stop(), 0, "exit code")
    t.tool("tengen-server", "--check", "--data", server.data, check=0)


def a_stream_waits_for_the_next_chunk(t):
    api = t.server().api
    job = api.expect(201, "POST", "/api/v1/jobs", json=SELFPLAY)["id"]
    worker = harness.FakeWorker(api)
    task = worker.lease()["tasks"][0]
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(api.get, f"/api/v1/streams/{job}?after=0&wait_s=20")
        time.sleep(0.2)
        t.true(not waiting.done(), "it waits")
        body = chunk(0)
        worker.chunk(task, 0, body)
        answer = waiting.result(30 * harness.SLOW)
        cursor, size = struct.unpack_from("<QI", answer.body)
        t.equal((size, answer.body[12:]), (len(body), body), "the chunk as it was sent")
        t.equal(answer.headers["X-Tengen-Cursor"], str(cursor), "the cursor")
        waiting = pool.submit(api.get, f"/api/v1/streams/{job}?after={cursor}&wait_s=20")
        time.sleep(0.2)
        api.expect(200, "POST", f"/api/v1/jobs/{job}/cancel")
        t.equal(waiting.result(30 * harness.SLOW).body, b"", "the job's end ends the wait")


def what_is_not_retained_loses_its_bytes_alone(t):
    server = t.server(lease_s=3)  # the chores are done as often as that
    api = server.api
    job = api.expect(201, "POST", "/api/v1/jobs", json={
        "kind": "selfplay", "config": {"games": 6, "games_per_task": 6, "board": 5}, "retention": {"chunks": 4}})
    t.equal(job["retention"], {"chunks": 4, "seconds": 0}, "as it was asked for")
    worker = harness.FakeWorker(api)
    task = worker.lease()["tasks"][0]
    for seq in range(6):
        t.equal(worker.chunk(task, seq, chunk(seq)).status, 201, "chunk")
    t.equal(worker.done(task, 6).status, 200, "done")
    stream = f"/api/v1/streams/{job['id']}"

    def left():
        return api.get(stream).body.count(b"TGC1")

    harness.wait_for(lambda: left() == 4, 20, "two chunks to be dropped")
    own = f"/api/v1/jobs/{job['id']}"
    t.equal(api.expect(200, "PUT", own + "/retention", json={"chunks": 1})["state"], "succeeded", "of an ended job too")
    harness.wait_for(lambda: left() == 1, 20, "three more to be dropped")
    t.equal(worker.chunk(task, 0, chunk(0)).json, {"stored": True}, "sent again: it was stored")
    t.problem(worker.chunk(task, 0, chunk(9)), 409, "chunk_conflict")
    harness.wait_for(lambda: api.expect(200, "PUT", own + "/retention", json={"seconds": 1}) and left() == 0, 20,
                     "the last to be too old")
    api.expect(200, "PUT", own + "/retention", json={})
    state = api.expect(200, "GET", own)
    t.equal((state["retention"], state["units"]["done"], state["totals"]["games"]),
            ({"chunks": 0, "seconds": 0}, 6, 6), "what is known of it all the same")
    games = api.pages(own + "/games")
    t.equal(len(games), 6, "games")
    t.equal(api.get(f"/api/v1/games/{games[-1]['id']}.sgf").body[:6], b"(;FF[4", "a record of a dropped one")
    t.equal(server.stop(), 0, "exit code")
    with contextlib.closing(sqlite3.connect(server.data / "tengen.db")) as database:
        t.equal(database.execute("SELECT count(*), count(data) FROM chunks").fetchone(), (6, 0), "rows and bytes")
    t.tool("tengen-server", "--check", "--data", server.data, check=0)


def events_are_pushed_and_resumed(t):
    server = t.server()
    api = server.api
    with api.events("jobs,games,workers,job:1,live:1") as events:
        job = api.expect(201, "POST", "/api/v1/jobs", json=SELFPLAY)["id"]
        worker = harness.FakeWorker(api)
        task = worker.lease()["tasks"][0]
        terms = worker.beat(task, metrics=[{"name": "m", "step": 1, "value": 2}], progress={"done": 0, "live": [
            {"game": 0, "board": 5, "moves": ["aa"]}]}).json
        t.equal(terms["beat_s"], 1, "beats come faster while somebody watches")
        worker.chunk(task, 0, chunk(0))
        wanted, seen, last = {"job", "game", "worker", "metric", "live"}, {}, None
        for identity, name, data in events:
            last = identity or last
            if name in wanted:
                seen[name] = data
            if wanted <= set(seen):
                break
        t.equal((seen["job"]["id"], "config" in seen["job"]), (job, False), "a job without its config")
        t.equal(seen["metric"]["items"], [{"name": "m", "step": 1, "value": 2}], "a metric")
        t.equal(seen["live"]["games"][0]["moves"], ["aa"], "a live game")
    worker.chunk(task, 1, chunk(1))
    with api.events("games", last_id=last) as events:
        names = [name for _, name, _ in (next(events),)]
        while names[-1] != "game":
            names.append(next(events)[1])
        t.true("reset" not in names, f"nothing was missed: {names}")
    with api.events("games", last_id="1") as events:
        name = next(events)[1]
        while name == "message":
            name = next(events)[1]
        t.equal(name, "reset", "an id that is not known any more")
    t.problem(api.get("/api/v1/events?topics=weather"), 400, "invalid", "topics")


def who_comes_to_follow_a_job_hears_that_it_missed_something(t):
    """A page opens a job's stream with the id of the stream that it had; what happened in between was told to nobody."""
    api = t.server().api
    job = api.expect(201, "POST", "/api/v1/jobs", json=SELFPLAY)["id"]
    worker = harness.FakeWorker(api)
    task = worker.lease()["tasks"][0]
    sequence = itertools.count(1)

    def metric():
        number = next(sequence)
        t.equal(worker.beat(task, sequence=number, metrics=[{"name": "m", "step": number, "value": 1}]).status, 200, "a beat")
        harness.wait_for(lambda: len(api.get(f"/api/v1/jobs/{job}/metrics").lines) == number, 20, "the metric")

    def heard(topics, last):
        """The events up to that of a job that is submitted now, so that there is something to hear in any case."""
        with api.events(topics, last_id=last) as events:
            new = api.expect(201, "POST", "/api/v1/jobs", json=SELFPLAY)["id"]
            names = []
            for _, name, data in events:
                names.append(name)
                if name == "reset" or (name == "job" and data["id"] == new):
                    return names

    with api.events("jobs") as others:
        last = next(others)[0]
        t.true(last, "a stream says where it stands before anything has happened")
        metric()
        t.equal(heard(f"jobs,job:{job}", last)[-1], "reset", "a metric was missed")
        t.equal(heard("jobs", last)[-1], "job", "those who do not follow the job missed nothing")
        t.equal(heard(f"jobs,job:{job + 1}", last)[-1], "job", "nor those who follow another")
    with api.events(f"jobs,job:{job}") as own:
        last = next(own)[0]
        metric()
        t.equal(next(name for _, name, _ in own if name == "metric"), "metric", "who follows hears it")
        names = heard(f"jobs,job:{job}", last)
        t.equal(("metric" in names, names[-1]), (True, "job"), "and so does who comes back")


def the_dashboard_and_its_headers(t):
    folder = t.folder("web")
    (folder / "index.html").write_text("<h1>hello</h1>")
    (folder / ".secret").write_text("x")
    os.symlink("/etc/passwd", folder / "link.txt")
    api = t.server(web=folder).api
    page = api.get("/")
    t.equal((page.status, page.body), (200, b"<h1>hello</h1>"), "the page")
    t.contains(page.headers["Content-Security-Policy"], "default-src 'self'", "its policy")
    t.equal((page.headers["X-Frame-Options"], page.headers["X-Content-Type-Options"]), ("DENY", "nosniff"), "headers")
    t.equal(api.get("/", headers={"If-None-Match": page.headers["ETag"]}).status, 304, "not modified")
    for path in ("/.secret", "/../secret", "/%2e%2e/x", "/link.txt", "/nothing", "/a/../index.html"):
        t.problem(api.get(path), 404, "not_found")
    embedded = t.server().api.get("/")
    t.equal((embedded.status, embedded.headers["Content-Type"]), (200, "text/html; charset=utf-8"), "the embedded page")


def metrics_and_log_are_kept_and_paged(t):
    api = t.server().api
    job = api.expect(201, "POST", "/api/v1/jobs", json=SELFPLAY)["id"]
    worker = harness.FakeWorker(api)
    task = worker.lease()["tasks"][0]
    metrics = [{"name": f"m{n % 2}", "step": n, "value": n / 8} for n in range(7)]
    lines = [{"time_ms": n, "level": "info", "text": f"line {n} \u2603"} for n in range(5)]
    for _ in range(2):  # the second time adds nothing
        t.equal(worker.beat(task, sequence=1, metrics=metrics, log=lines).status, 200, "a beat")

    def pages(path):
        while path:
            answer = api.get(path)
            t.equal((answer.status, answer.headers["Content-Type"]), (200, "application/x-ndjson"), path)
            yield answer.lines
            link = answer.headers["Link"]
            path = re.match(r"<([^>]+)>; rel=next$", link)[1] if link else None

    got = list(pages(f"/api/v1/jobs/{job}/metrics?limit=3"))
    t.equal([len(page) for page in got], [3, 3, 1], "lines a page")
    t.equal([{k: line[k] for k in ("name", "step", "value")} for page in got for line in page], metrics, "metrics")
    only = [line["step"] for page in pages(f"/api/v1/jobs/{job}/metrics?name=m1&limit=2") for line in page]
    t.equal(only, [1, 3, 5], "of one name")
    t.equal([line["text"] for page in pages(f"/api/v1/jobs/{job}/log?limit=2") for line in page],
            [line["text"] for line in lines], "the log")
    t.problem(api.get(f"/api/v1/jobs/{job}/metrics?name=a%20b"), 400, "invalid", "name")
    t.problem(api.get("/api/v1/jobs/99/metrics"), 404, "not_found")


def https(t):
    cert, key = t.certificate()
    server = t.server(tls_cert=cert, tls_key=key, tls_ca=cert)
    t.equal(server.api.get("/healthz").status, 200, "over TLS")
    token = server.create_token("admin")
    answer = server.api.post("/api/v1/session", json={"token": token})
    t.contains(answer.headers["Set-Cookie"], "Secure", "the cookie")
    data = safetensors(2_000_000)
    put = {"Content-Type": "application/octet-stream"}
    digest = server.api_as(token).call("PUT", "/api/v1/checkpoints", body=data, headers=put).json["sha256"]
    t.true(server.api_as(token).get(f"/api/v1/checkpoints/{digest}").body == data, "a large body both ways")
    with socket.create_connection(("127.0.0.1", server.port), 10) as plain:
        plain.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        with contextlib.suppress(ConnectionError):
            t.true(b"200 OK" not in plain.recv(1000), "plain HTTP is not served")
    t.equal(server.api.get("/healthz").status, 200, "and harms nobody")


def metrics_are_well_formed(t):
    api = t.server().api
    api.get("/nothing")
    api.get("/healthz")
    text = api.get("/metrics").body.decode()
    names = set()
    for line in text.splitlines():
        if not line.startswith("#"):
            name, _, value = line.rpartition(" ")
            float(value)
            names.add(name.partition("{")[0])
    for name in ("tengen_jobs", "tengen_workers", "tengen_leases_granted_total", "tengen_store_commits_total",
                 "process_resident_memory_bytes", "tengen_http_request_seconds_bucket", "tengen_sse_clients"):
        t.true(name in names, f"{name} is there")
    t.contains(text, 'tengen_http_requests_total{method="GET",route="/healthz",status="200"}', "requests by route")


if __name__ == "__main__":
    harness.run(every_answer_has_its_shape, a_job_counts_how_far_what_is_in_hand_is, lists_are_paged_by_cursor,
                a_set_of_jobs_runs_in_order,
                the_same_key_gives_the_same_answer, a_job_that_is_read_is_never_stale,
                a_long_poll_gets_work_as_soon_as_there_is_some, a_task_goes_to_nobody_who_has_hung_up,
                a_lease_lapses_and_comes_back, a_job_says_that_its_workers_are_away, a_worker_says_that_it_leaves,
                a_match_that_is_decided_early_has_not_failed, a_drained_task_is_put_back, five_failures_fail_the_job,
                content_goes_in_and_comes_out, a_stream_waits_for_the_next_chunk,
                what_is_not_retained_loses_its_bytes_alone, events_are_pushed_and_resumed,
                who_comes_to_follow_a_job_hears_that_it_missed_something,
                the_dashboard_and_its_headers, metrics_and_log_are_kept_and_paged, https,
                metrics_are_well_formed, timeout=90)
