"""Whatever comes in, the answer is a clear problem that names field and remedy, and nothing stored is harmed."""
# run_tests: timeout=400

import concurrent.futures
import contextlib
import json
import os
import re
import socket
import sqlite3
import subprocess

import harness

JSON = {"Content-Type": "application/json"}
CHUNK = {"Content-Type": "application/vnd.tengen.chunk"}
SELFPLAY = {"kind": "selfplay", "config": {"games": 4, "games_per_task": 4, "board": 5}}


def unharmed(t, server, jobs=None):
    """It still answers, stops cleanly, and the database is sound."""
    api = server.api
    t.equal(api.get("/healthz").status, 200, "the server still answers")
    if jobs is not None:
        t.equal(len(api.pages("/api/v1/jobs")), jobs, "jobs stored")
    t.equal(server.stop(), 0, "exit code")
    done = t.tool("tengen-server", "--check", "--data", server.data)
    t.equal((done.returncode, done.stdout), (0, b"clean\n"), "--check")


def status_of(raw):
    found = re.match(rb"HTTP/1\.[01] (\d{3})", raw)
    return int(found[1]) if found else None


def bodies_of_jobs(t):
    server = t.server()

    def refused(code, field, body, status=400, headers=None):
        with t.subtest(f"{code} {field} {str(body)[:30]}"):
            kind = "json" if isinstance(body, dict) else "body"
            t.problem(server.api.call("POST", "/api/v1/jobs", headers=headers or JSON, **{kind: body}), status, code,
                      field)

    def config(**more):
        return {"kind": "selfplay", "config": more}

    refused("unknown_option", "config.gamse", config(gamse=3))
    refused("wrong_type", "config.games", config(games="three"))
    refused("wrong_type", "config.games", config(games=1.5))
    refused("out_of_range", "config.games", config(games=0))
    refused("out_of_range", "config.player.playouts", config(player={"playouts": -1}))
    refused("unknown_option", "config.player.speed", config(player={"speed": 1}))
    refused("unknown_kind", "kind", {"kind": "selfplya"})
    refused("missing_field", "kind", {})
    refused("unknown_option", "colour", {"kind": "selfplay", "colour": 1})
    refused("wrong_type", "config", {"kind": "selfplay", "config": []})
    refused("wrong_type", "after", {"kind": "selfplay", "after": 3})
    refused("unknown_option", "inputs.policy", {"kind": "selfplay", "inputs": {"policy": {"job": 1, "output": "x"}}})
    refused("out_of_range", "priority", {"kind": "selfplay", "priority": 1000000})
    for code, field, value in (("wrong_type", "retention", 5), ("unknown_option", "retention.chunk", {"chunk": 5}),
                               ("wrong_type", "retention.chunks", {"chunks": "all"}),
                               ("out_of_range", "retention.chunks", {"chunks": -1}),
                               ("out_of_range", "retention.seconds", {"seconds": 10**11})):
        refused(code, field, {"kind": "selfplay", "retention": value})
    refused("bad_json", "body", b"{")
    refused("bad_json", "body", b"nonsense")
    refused("bad_json", "body", b'{"kind": "selfplay"} x')
    refused("bad_json", "body", b'{"kind": NaN}')
    refused("bad_json", "body", b'{"kind": "selfplay", "name": "a\\u0000b"}')
    refused("bad_json", "body", b'{"kind": "selfplay", "config": {"komi": 1e400}}')
    refused("bad_utf8", "body", b'{"kind": "\xff\xfe"}')
    refused("duplicate_key", "body", b'{"kind": "selfplay", "kind": "match"}')
    refused("too_deep", "body", b'{"a":' * 100 + b"1" + b"}" * 100)
    refused("too_deep", "body", b"[" * 500000)
    refused("wrong_type", "body", b"[]")
    refused("missing_field", "body", b"")
    refused("unsupported_media_type", "Content-Type", b'{"kind": "selfplay"}', 415, {"Content-Type": "text/plain"})
    for charset in ("latin1", '"utf-16"', "utf-80"):
        refused("unsupported_media_type", "Content-Type", b'{"kind": "selfplay"}', 415,
                {"Content-Type": f"application/json; charset={charset}"})
    refused("too_large", "body", b" " * (1 << 20) + b" {}", 413)
    with t.subtest("a body of unknown size that is too large"):
        t.problem(server.api.call("POST", "/api/v1/jobs", body=iter([b" " * 65536] * 20), headers=JSON), 413,
                  "too_large", "body")
    with t.subtest("an array is no object"):
        t.equal(server.api.call("POST", "/api/v1/jobs", body=b"[]", headers=JSON).status, 400, "status")
    with t.subtest("a job that waits for one that is not there"):
        answer = server.api.post("/api/v1/jobs", json={**SELFPLAY, "after": [99]})
        t.equal(answer.status // 100, 4, f"{answer!r}")
    unharmed(t, server, jobs=0)


def queries_and_paths(t):
    server = t.server()
    for path, code, field in (
            ("/api/v1/jobs?limit=0", "out_of_range", "limit"), ("/api/v1/jobs?limit=501", "out_of_range", "limit"),
            ("/api/v1/jobs?limit=x", "wrong_type", "limit"), ("/api/v1/jobs?after=-1", "wrong_type", "after"),
            ("/api/v1/jobs?state=happy", "out_of_range", "state"),
            ("/api/v1/jobs?kind=bogus", "unknown_kind", "kind"), ("/api/v1/jobs/1/tasks?state=x", "out_of_range", "state"),
            ("/api/v1/jobs?limit=5&limit=6", "invalid", "limit"), ("/api/v1/games?player=%ff", "bad_utf8", "player"),
            ("/api/v1/jobs?stat=queued", "unknown_option", "stat"), ("/api/v1/kinds?x", "unknown_option", "x"),
            ("/api/v1/jobs/1/live?limit=3", "unknown_option", "limit"), ("/api/v1/datasets?job=1", "unknown_option", "job"), ("/api/v1/games?job=0", "out_of_range", "job"),
            ("/api/v1/games?job=99999999999999999999", "wrong_type", "job")):
        with t.subtest(path):
            t.problem(server.api.get(path), 400, code, field)
    for path in ("/api/v1/jobs/1", "/api/v1/jobs/0", "/api/v1/jobs/x", "/api/v1/jobs/-1", "/api/v1/jobs/1/tasks",
                 "/api/v1/jobs/1/checkpoints", "/api/v1/jobs/1/live", "/api/v1/jobs/1/games", "/api/v1/jobs/1/log",
                 "/api/v1/jobs/99999999999999999999", "/api/v1/games/1", "/api/v1/games/1.sgf", "/api/v1/nothing",
                 "/api/v2/jobs", "/api/v1/checkpoints/" + "0" * 64, "/api/v1/checkpoints/xyz", "/api/v1/datasets/3",
                 "/api/v1/jobs/1%2f2", "/api/v1/streams/9"):
        with t.subtest(path):
            t.problem(server.api.get(path), 404, "not_found")
    for path, code, field in (("/api/v1/jobs/%00", "invalid", "uri"), ("/api/v1/kinds%00", "invalid", "uri"),
                              ("/api/v1/games?player=a%00b", "invalid", "uri"), ("/api/v1/jobs/%ff", "bad_utf8", "path")):
        with t.subtest(path):
            t.problem(server.api.get(path), 400, code, field)
    with t.subtest("another method at a path that is not there"):
        t.problem(server.api.post("/api/v1/jbos", json=SELFPLAY), 404, "not_found", "path")
    with t.subtest("a method that is not there"):
        answer = server.api.call("DELETE", "/api/v1/jobs")
        t.problem(answer, 405, "method_not_allowed", "method")
        t.equal(set(answer.headers["Allow"].split(", ")), {"GET", "HEAD", "POST"}, "Allow")
    for name, body, code in (("garbage", b"x" * 200, "corrupt"), ("empty", b"", "truncated"),
                             ("cut", (1000).to_bytes(8, "little") + b"{}", "truncated")):
        with t.subtest(f"a checkpoint that is {name}"):
            t.problem(server.api.call("PUT", "/api/v1/checkpoints?name=x", body=body,
                                      headers={"Content-Type": "application/octet-stream"}), 400, code)
    with t.subtest("how much to keep"):
        keep = "/api/v1/jobs/1/retention"
        t.problem(server.api.call("PUT", keep, json={"chunks": 1}), 404, "not_found", "id")
        t.problem(server.api.call("PUT", keep, json={"chunks": -1}), 400, "out_of_range", "chunks")
        t.problem(server.api.call("PUT", keep, json={"years": 1}), 400, "unknown_option", "years")
        t.problem(server.api.call("PUT", keep, body=b"", headers=JSON), 400, "missing_field", "body")
    with t.subtest("a body where none belongs"):
        t.problem(server.api.call("POST", "/api/v1/jobs/1/cancel", body=b"x" * 100, headers=JSON), 400, "invalid", "body")
    unharmed(t, server, jobs=0)


def workers_and_results(t):
    server = t.server()
    api = server.api
    api.expect(201, "POST", "/api/v1/jobs", json=SELFPLAY)
    worker = harness.FakeWorker(api)
    task = worker.lease()["tasks"][0]
    base = f"/api/v1/tasks/{task['id']}"
    good = {"name": "x", "instance": "1" * 32, "protocol": {"min": 1, "max": 1}, "runners": 1, "capabilities": [],
            "machine": {}}
    for change, code, field in (
            ({"instance": "short"}, "invalid", "instance"), ({"protocol": {"min": 2, "max": 3}}, None, "protocol"),
            ({"protocol": 1}, "wrong_type", "protocol"), ({"runners": -1}, "out_of_range", "runners"),
            ({"capabilities": [1]}, "wrong_type", "capabilities"), ({"name": "n" * 101}, None, "name"),
            ({"shoe_size": 44}, "unknown_option", "shoe_size")):
        with t.subtest(f"registration {change}"):
            answer = api.post("/api/v1/workers", json={**good, **change})
            t.problem(answer, 409 if field == "protocol" and code is None else 400, code or answer.json["code"], field)
    with t.subtest("protocol"):
        t.problem(api.post("/api/v1/workers", json={**good, "protocol": {"min": 2, "max": 9}}), 409,
                  "protocol_mismatch", "protocol")
    for body, code, field in (({}, "missing_field", "free"), ({"free": 10**9}, "out_of_range", "free"),
                              ({"free": 1, "holding": [1]}, "wrong_type", None),
                              ({"free": 1, "holding": [{"task": 1}]}, "missing_field", "holding.attempt")):
        with t.subtest(f"lease {body}"):
            t.problem(api.post(f"/api/v1/workers/{worker.id}/lease", json=body), 400, code, field)
    with t.subtest("a worker that is not there"):
        t.problem(api.post("/api/v1/workers/99/lease", json={"free": 1}), 404, "not_found", "worker")
    for more, code, field in (({"metrics": [{"name": "m", "step": 1}]}, "missing_field", "metrics.value"),
                              ({"metrics": "x"}, "wrong_type", "metrics"), ({"log": [{}]}, "missing_field", None),
                              ({"progress": {"live": [3]}}, "wrong_type", "progress.live"),
                              ({"mood": 1}, "unknown_option", "mood")):
        with t.subtest(f"beat {more}"):
            t.problem(worker.beat(task, **more), 400, code, field)
    body = harness.game_chunk(note="a")
    with t.subtest("a chunk without its query"):
        t.problem(api.call("POST", base + "/chunks", body=body, headers=CHUNK), 400, "missing_field", "worker")
    with t.subtest("a chunk of another type"):
        t.problem(api.call("POST", base + f"/chunks?worker={worker.id}&attempt=1&seq=0", body=body, headers=JSON), 415,
                  "unsupported_media_type", "Content-Type")
    for name, bad in (("garbage", b"x" * 200), ("empty", b""), ("cut", body[:-1]), ("longer", body + b"x"),
                      ("one bit", body[:40] + bytes([body[40] ^ 1]) + body[41:])):
        with t.subtest(f"a chunk that is {name}"):
            t.equal(worker.chunk(task, 0, bad).status, 400, "status")
            t.true(worker.chunk(task, 0, bad).json["detail"], "detail")
    with t.subtest("more units than the task has"):
        t.problem(worker.chunk(task, 0, harness.encode_chunk({"type": "x", "units": 5, "counters": {}})), 400, "invalid",
                  "units")
    t.equal(worker.chunk(task, 0, body).status, 201, "a good chunk")
    with t.subtest("the same again"):
        t.equal(worker.chunk(task, 0, body).status, 200, "status")
    with t.subtest("another under its number"):
        t.problem(worker.chunk(task, 0, harness.game_chunk(note="b")), 409, "chunk_conflict", "seq")
    with t.subtest("of another attempt"):
        t.problem(worker.chunk({**task, "attempt": 2}, 1, harness.game_chunk(note="c")), 409, "lease_lost")
    with t.subtest("of a worker that does not hold it"):
        other = harness.FakeWorker(api, name="other")
        t.problem(other.chunk(task, 1, harness.game_chunk(note="d")), 409, "lease_lost")
    with t.subtest("of a task that is not there"):
        t.problem(worker.chunk({**task, "id": 999}, 0, body), 404, "not_found", "id")
    with t.subtest("done with chunks that are not there"):
        t.problem(worker.done(task, 3), 409, "chunks_missing")
    t.equal(api.expect(200, "GET", "/api/v1/jobs/1")["units"]["done"], 1, "units stored")
    unharmed(t, server, jobs=1)


def more_workers_than_may_be(t):
    server = t.server(workers=2)
    job = server.api.expect(201, "POST", "/api/v1/jobs", json=SELFPLAY)["id"]
    first, second = harness.FakeWorker(server.api), harness.FakeWorker(server.api)
    task = first.lease()["tasks"][0]
    t.equal(first.chunk(task, 0, harness.game_chunk()).status, 201, "chunk")
    t.equal(first.done(task, 1, units=1).status, 200, "drained")
    third = {"name": "third", "instance": "3" * 32, "protocol": {"min": 1, "max": 1}, "runners": 1, "capabilities": [],
             "machine": {}}
    answer = server.api.post("/api/v1/workers", json=third)
    t.problem(answer, 503, "busy", "instance")
    t.contains(answer.json["detail"], "--workers", "the remedy")
    t.true(answer.headers["Retry-After"], "when to come again")
    t.equal(harness.FakeWorker(server.api, instance=second.instance).id, second.id, "one that is known comes back")
    server.stop()
    with contextlib.closing(sqlite3.connect(server.data / "tengen.db")) as database, database:
        database.execute("UPDATE tasks SET worker = ?", (first.id,))  # of its last attempt
        database.execute("UPDATE workers SET seen_ms = seen_ms - 25 * 3600 * 1000 WHERE id = ?", (first.id,))
    server = t.server(data=server.data, workers=2)
    answer = server.api.post("/api/v1/workers", json=third)
    t.equal(answer.status, 201, "there is room again")
    t.equal({worker["id"] for worker in server.api.pages("/api/v1/workers")}, {second.id, answer.json["id"]},
            "who has been away for a day is forgotten")
    t.equal(server.api.pages(f"/api/v1/jobs/{job}/tasks")[0]["worker"], None, "who did it is forgotten too")
    t.problem(server.api.post(f"/api/v1/workers/{first.id}/lease", json={"free": 1}), 404, "not_found", "worker")
    unharmed(t, server, jobs=1)


def tokens_and_roles(t):
    server = t.server()
    t.problem(server.api.post("/api/v1/tokens", json={"role": "view"}), 400, "invalid", "role")
    admin = server.create_token("admin")
    tokens = {role: server.create_token(role, api=server.api_as(admin)) for role in ("view", "submit", "worker")}
    t.true(re.fullmatch(r"tg_[A-Za-z0-9_-]{43}", admin), "the form of a token")
    with t.subtest("no token"):
        answer = server.api.get("/api/v1/jobs")
        t.problem(answer, 401, "token_missing", "Authorization")
        t.contains(answer.headers["WWW-Authenticate"], "Bearer", "WWW-Authenticate")
    for wrong in ("tg_" + "A" * 43, "tg_", "x", "tg_" + "A" * 4000, admin + "x", admin[:-1]):
        with t.subtest(f"unknown token {wrong[:8]} of {len(wrong)}"):
            t.problem(server.api_as(wrong).get("/api/v1/jobs"), 401, "token_unknown", "Authorization")
    allowed = {"view": {"GET /jobs", "GET /whoami"}, "submit": {"GET /jobs", "GET /whoami", "POST /jobs"},
               "worker": {"POST /workers", "GET /whoami"},
               "admin": {"GET /jobs", "GET /whoami", "POST /jobs", "POST /workers", "GET /tokens"}}
    for role, may in allowed.items():
        api = server.api_as({**tokens, "admin": admin}[role])
        for call in ("GET /jobs", "GET /whoami", "POST /jobs", "POST /workers", "GET /tokens"):
            with t.subtest(f"{role}: {call}"):
                method, path = call.split()
                answer = api.call(method, "/api/v1" + path, **({"json": {}} if method == "POST" else {}))
                if call in may:
                    t.true(answer.status in (200, 400), f"it is let in: {answer!r}")
                else:
                    t.contains(t.problem(answer, 403, "wrong_role", "Authorization")["detail"], role, "detail")
    answer = server.api_as(tokens["worker"]).get("/api/v1/jobs")
    t.contains(answer.json["detail"], "a token of role view, submit or admin;", "roles in words")
    with t.subtest("a body is not read before the token is looked at"):
        got = server.api.raw(b"PUT /api/v1/checkpoints HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000000\r\n\r\n")
        t.equal(status_of(got), 401, f"{got[:200]!r}")
    with t.subtest("a cookie is as good as a header"):
        answer = server.api.post("/api/v1/session", json={"token": tokens["view"]})
        cookie = answer.headers["Set-Cookie"]
        t.true("HttpOnly" in cookie and "SameSite=Strict" in cookie, cookie)
        t.equal(server.api.get("/api/v1/whoami", headers={"Cookie": cookie.partition(";")[0]}).json["role"], "view",
                "role")
        t.problem(server.api.post("/api/v1/session", json={"token": "tg_nothing"}), 401, "token_unknown", "token")
    with t.subtest("a page of another site"):
        headers = {"Origin": "https://evil.example"}
        t.problem(server.api_as(admin).post("/api/v1/jobs/1/cancel", headers=headers), 400, "invalid", "Origin")
    with t.subtest("revoked, at once"):
        listed = server.api_as(admin).pages("/api/v1/tokens")
        view = next(token["id"] for token in listed if token["role"] == "view")
        t.equal(server.api_as(admin).call("DELETE", f"/api/v1/tokens/{view}").status, 204, "status")
        t.problem(server.api_as(tokens["view"]).get("/api/v1/jobs"), 401, "token_revoked", "Authorization")
        t.problem(server.api_as(admin).call("DELETE", "/api/v1/tokens/99"), 404, "not_found", "id")
    with t.subtest("the last admin"):
        last = next(token["id"] for token in listed if token["role"] == "admin")
        t.problem(server.api_as(admin).call("DELETE", f"/api/v1/tokens/{last}"), 409, "wrong_state", "id")
        t.equal(server.api_as(admin).get("/api/v1/whoami").json["role"], "admin", "role")
    with t.subtest("no token in the log"):
        t.true(admin not in server.log(), "the admin's token")
    with t.subtest("another worker's leases"):
        second = server.create_token("worker", api=server.api_as(admin))
        server.api_as(admin).expect(201, "POST", "/api/v1/jobs", json=SELFPLAY)
        worker = harness.FakeWorker(server.api_as(tokens["worker"]))
        task = worker.lease()["tasks"][0]
        thief = harness.FakeWorker(server.api_as(second), name="thief")
        thief.id = worker.id
        t.problem(thief.beat(task), 403, "wrong_role", "worker")
        t.problem(thief.done(task, 0), 403, "wrong_role", "worker")
        t.equal(worker.beat(task).status, 200, "the holder's beat")
    data = server.data
    server.stop()
    with t.subtest("the token is not in the database"):
        t.true(admin.encode() not in (data / "tengen.db").read_bytes(), "hashed")
    with t.subtest("after a restart"):
        server = t.server(data=data)
        t.equal(server.api_as(admin).get("/api/v1/whoami").json["role"], "admin", "role")
        t.problem(server.api_as(tokens["view"]).get("/api/v1/jobs"), 401, "token_revoked", "Authorization")


def no_http_at_all(t):
    server = t.server()
    port = b"%d" % server.port
    cases = (
        (b"GET /healthz HTTP/9.9\r\n\r\n", 505),
        (b"GET /healthz HTTP/1.1\r\n\r\n", 400),
        (b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n", 414),
        (b"GET /" + b"a" * 300000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n", 414),
        (b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX: " + b"a" * 20000 + b"\r\n\r\n", 431),
        (b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX: " + b"a" * 300000 + b"\r\n\r\n", 431),
        (b"BREW /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", 405),
        (b"POST /api/v1/jobs HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
         b"Content-Length: many\r\n\r\n", 400),
        (b"POST /api/v1/jobs HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
         b"Transfer-Encoding: chunked\r\n\r\nzzz\r\n", 400),
        (b"GET /healthz HTTP/1.1\r\nHost: evil.example:" + port + b"\r\nConnection: close\r\n\r\n", 400),
    )
    words = {414: (b"8192", b"shorten"), 431: (b"16384", b"fewer"), 505: (b'"code":"http_version"', b"HTTP/1.1")}
    for sent, status in cases:
        with t.subtest(repr(sent[:50]) + f" of {len(sent)}"):
            got = server.api.raw(sent)
            t.equal(status_of(got), status, f"{got[:300]!r}")
            t.contains(got, b"Content-Type: application/problem+json", "its type")
            t.contains(got, b'"code":"', "a problem")
            for word in words.get(status, ()):
                t.contains(got, word, "limit and remedy")
    for length in (b"-5", b"many", b"", b"+5", b"5 5", b"0x5", b"5,5", b"9" * 30, b"5\r\nContent-Length: 6",
                   b"5\r\nTransfer-Encoding: chunked"):
        with t.subtest(f"Content-Length: {length!r}"):
            got = server.api.raw(b"POST /api/v1/jobs HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
                                 b"Content-Length: " + length + b"\r\n\r\n{}", timeout=3)
            head, _, body = got.partition(b"\r\n\r\n")
            t.equal(status_of(got), 400, f"{got!r}")
            t.equal(json.loads(body)["field"], "Content-Length", "field")
            t.contains(head, b"Content-Length: %d" % len(body), "the length of what follows")
    for sent in (b"garbage\r\n\r\n", b"hello\n", b"hello world\r\n\r\n", b"\r\n" * 1000, b"\0" * 5000 + b"\r\n\r\n",
                 bytes(range(256)) * 40, b"a" * 5000):
        with t.subtest(f"garbage {sent[:12]!r}"):
            told_to_speak_http(t, server.api.raw(sent, timeout=3), "HTTP/1.1")
    with t.subtest("a word that comes in pieces"):
        with server.api.connect() as slow:
            slow.settimeout(10 * harness.SLOW)
            for piece in (b"\r\n", b"hel", b"lo\r\n"):
                slow.sendall(piece)
            told_to_speak_http(t, slow.makefile("rb").read(), "HTTP/1.1")
    with t.subtest("a word, and nothing after it"):
        with server.api.connect() as slow:
            slow.settimeout(10 * harness.SLOW)
            slow.sendall(b"hello")
            slow.shutdown(socket.SHUT_WR)
            told_to_speak_http(t, slow.makefile("rb").read(), "HTTP/1.1")
    with t.subtest("a TLS handshake"):
        hello = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(500)
        told_to_speak_http(t, server.api.raw(hello, timeout=3), "http://")
    with t.subtest("a request that comes a byte at a time"):
        with server.api.connect() as slow:
            slow.settimeout(10 * harness.SLOW)
            for byte in b"\r\nGET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n":
                slow.sendall(bytes([byte]))
            t.equal(status_of(slow.makefile("rb").read()), 200, "status")
    unharmed(t, server)


def told_to_speak_http(t, got, word):
    """The whole of an answer to what is no request: 400, a problem that names the remedy, and the end."""
    head, _, body = got.partition(b"\r\n\r\n")
    t.equal(status_of(got), 400, f"{got[:300]!r}")
    t.contains(head, b"Content-Type: application/problem+json", "its type")
    problem = json.loads(body)
    t.equal((problem["status"], problem["code"]), (400, "invalid"), "problem")
    t.contains(problem["detail"], word, "the remedy")


def plain_words_to_a_tls_port(t):
    cert, key = t.certificate()
    server = t.server(tls_cert=cert, tls_key=key, tls_ca=cert)
    plain = harness.Api(f"http://127.0.0.1:{server.port}")
    with t.subtest("plain HTTP"):
        told_to_speak_http(t, plain.raw(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n", timeout=3), "https://")
    with t.subtest("garbage"):
        told_to_speak_http(t, plain.raw(b"hello\r\n\r\n", timeout=3), "HTTP/1.1")
    unharmed(t, server)


def drip(connection, data):
    """Sends a byte every fifth of a second until there is an answer; then what was answered."""
    connection.settimeout(0.2)
    for byte in data:
        connection.sendall(bytes([byte]))
        try:
            return connection.recv(4000)
        except socket.timeout:
            pass
    connection.settimeout(20 * harness.SLOW)
    return connection.recv(4000)


def bodies_that_do_not_come(t):
    server = t.server(header_s=1, idle_s=2)
    with t.subtest("a header that trickles in"):
        with server.api.connect() as slow:
            got = b""
            slow.settimeout(0.2)
            try:
                for byte in b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX: " + b"a" * 1000:
                    slow.sendall(bytes([byte]))
                    try:
                        got += slow.recv(1000)
                        break
                    except socket.timeout:
                        pass
            except OSError:
                pass
            t.equal(status_of(got), 408, f"{got!r}")
            length = int(re.search(rb"Content-Length: (\d+)", got)[1])
            t.equal(len(got.partition(b"\r\n\r\n")[2]), length, "the length of its body")
    with t.subtest("a connection that says nothing"):
        with server.api.connect() as silent:
            silent.settimeout(20 * harness.SLOW)
            t.equal(status_of(silent.recv(1000)), 408, "status")
    with t.subtest("a connection that was used and is idle"):
        with server.api.connect() as idle:
            idle.settimeout(20 * harness.SLOW)
            idle.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
            t.equal(status_of(idle.recv(4000)), 200, "status")
            t.equal(idle.recv(4000), b"", "closed without a word")
    with t.subtest("a body that is cut"):
        with server.api.connect() as cut:
            cut.sendall(b"POST /api/v1/jobs HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
                        b"Content-Length: 100\r\n\r\n{\"kind\":")
    with t.subtest("fresh connections beside an older idle one"):
        patient = t.server(header_s=1, idle_s=60)
        with patient.api.connect() as idle, patient.api.connect() as silent:
            idle.settimeout(20 * harness.SLOW)
            idle.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
            t.equal(status_of(idle.recv(4000)), 200, "status")
            silent.settimeout(20 * harness.SLOW)
            t.equal(status_of(silent.recv(1000)), 408, "the silent one")
            with patient.api.connect() as dripping:
                t.equal(status_of(drip(dripping, b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX: " + b"a" * 1000)), 408,
                        "the dripping one")
            idle.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
            t.equal(status_of(idle.recv(4000)), 200, "the idle one is still served")
        for head in (b"POST /api/v1/jobs HTTP/1.1\r\nContent-Type: application/json\r\n",
                     b"POST /api/v1/datasets?name=x HTTP/1.1\r\nContent-Type: text/plain\r\n",
                     b"PUT /api/v1/checkpoints HTTP/1.1\r\nContent-Type: application/octet-stream\r\n"):
            for trickle in (b"", b"a" * 1000):
                with t.subtest(f"a body that {'drips' if trickle else 'stalls'}: {head[:24]!r}"):
                    with patient.api.connect() as slow:
                        slow.sendall(head + b"Host: localhost\r\nContent-Length: 100000\r\n\r\nx")
                        got = drip(slow, trickle)
                        t.equal(status_of(got), 408, f"{got!r}")
                        said = json.loads(got.partition(b"\r\n\r\n")[2])
                        t.equal((said["code"], said["field"], said["status"]), ("timeout", "body", 408), "problem")
        unharmed(t, patient, jobs=0)
    with t.subtest("two hundred at once"):
        slow = [server.api.connect() for _ in range(200)]
        for one in slow:
            one.sendall(b"GET /healthz HTTP/1.1\r\nHo")
        t.equal(server.api.get("/healthz").status, 200, "others are served meanwhile")
        for one in slow:
            one.close()
    unharmed(t, server, jobs=0)


def more_bodies_than_there_is_memory_for(t):
    server = t.server(max_bodies_mib=1)
    server.api.expect(201, "POST", "/api/v1/jobs", json={**SELFPLAY, "config": {"games": 50, "games_per_task": 50}})
    worker = harness.FakeWorker(server.api)
    task = worker.lease()["tasks"][0]
    large = harness.game_chunk(body=os.urandom(600_000))
    packed = harness.encode_chunk({"type": "report", "units": 0, "counters": {}, "report": {"name": "x", "step": 1}},
                                  b" " * (16 << 17) + b'{"x": 1}')
    t.true(len(packed) < 60_000, "a small chunk that unpacks to much")
    head = (f"POST /api/v1/tasks/{task['id']}/chunks?worker={worker.id}&attempt={task['attempt']}&seq=0 HTTP/1.1\r\n"
            f"Host: localhost\r\nContent-Type: application/vnd.tengen.chunk\r\nConnection: close\r\n").encode()
    with server.api.connect() as slow:
        slow.settimeout(20 * harness.SLOW)
        slow.sendall(head + b"Content-Length: %d\r\nExpect: 100-continue\r\n\r\n" % len(large))
        t.contains(slow.recv(1000), b"100 Continue", "the header was taken")
        with t.subtest("another large one"):
            answer = worker.chunk(task, 1, large)
            t.problem(answer, 503, "busy", "body")
            t.contains(answer.json["detail"], "try again", "the remedy")
            t.at_least(int(answer.headers["Retry-After"]), 1, "Retry-After")
        with t.subtest("one whose size is not told"):
            with server.api.connect() as other:
                other.settimeout(20 * harness.SLOW)
                other.sendall(head.replace(b"seq=0", b"seq=2") + b"Transfer-Encoding: chunked\r\n\r\n" +
                              b"%x\r\n" % len(large) + large + b"\r\n0\r\n\r\n")
                t.equal(status_of(other.makefile("rb").read()), 503, "status")
        with t.subtest("a small one that unpacks to much"):
            t.problem(worker.chunk(task, 3, packed), 503, "busy", "body")
        with t.subtest("small ones are taken all the same"):
            t.equal(worker.chunk(task, 4, harness.game_chunk()).status, 201, "status")
        slow.sendall(large)
        t.equal(status_of(slow.makefile("rb").read()), 201, "the one that was there first")
    t.equal(worker.chunk(task, 1, large).status, 201, "afterwards there is room again")
    t.equal(worker.chunk(task, 3, packed).status, 201, "for the other too, which is more than the limit but alone")
    t.contains(server.api.get("/metrics").body, b"tengen_http_body_bytes 0\n", "nothing is held for ever")
    unharmed(t, server)


def how_to_join(t):
    server = t.server()
    stats = server.api.expect(200, "GET", "/api/v1/stats")
    t.contains(stats["join_note"], "cannot reach", "on loopback")
    for word in ("--bind", "--tls-cert", "--create-admin-token"):
        t.contains(stats["join_note"], word, "what to do")
    tokens = t.folder("tokens") / "admin"
    closed = t.server(create_admin_token=tokens)
    note = closed.api_as(tokens.read_text().strip()).expect(200, "GET", "/api/v1/stats")["join_note"]
    t.equal([word in note for word in ("--bind", "--tls-cert", "--create-admin-token")], [True, True, False],
            "what a server with tokens lacks")
    public = t.server(public_url="https://go.example:7361").api.expect(200, "GET", "/api/v1/stats")
    t.equal((public["join"], public["join_note"]),
            ("tengen work --server https://go.example:7361 --ca-file FILE", ""), "with an address of its own")
    token = t.folder("token") / "admin"
    wide = t.server(bind="0.0.0.0", create_admin_token=token)
    api = wide.api_as(token.read_text().strip())
    t.contains(api.expect(200, "GET", "/api/v1/stats")["join_note"], "--public-url", "asked by a name of loopback")
    asked = api.get("/api/v1/stats", headers={"Host": "go.example:7361"}).json
    t.equal((asked["join"], asked["join_note"]),
            ("tengen work --server http://go.example:7361 --token-file FILE", ""), "asked by another name")


def too_many_requests(t):
    server = t.server(loopback_requests_per_s=1)  # two at once, then one each second: fewer than the slowest machine asks
    with concurrent.futures.ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(lambda _: server.api.get("/api/v1/whoami"), range(40)))
    limited = [answer for answer in answers if answer.status == 429]
    t.at_least(len(limited), 5, "answers 429")
    t.problem(limited[0], 429, "rate_limited")
    t.true(int(limited[0].headers["Retry-After"]) >= 1, "Retry-After")
    t.equal(server.api.get("/healthz").status, 200, "health is not limited")
    harness.wait_for(lambda: server.api.get("/api/v1/whoami").status == 200, 10, "the bucket to fill again")


# ---------------------------------------------------------------------------------------------------------------------
# What can be wrong when it starts


def fails_to_start(t, *arguments, words=(), code=1):
    done = t.tool("tengen-server", *arguments)
    said = done.stderr.decode()
    t.equal(done.returncode, code, f"exit code ({said})")
    for word in words:
        t.contains(said, word, "what it says")


def starting(t):
    server = t.server()
    with t.subtest("a port in use"):
        fails_to_start(t, "--port", server.port, "--data", t.folder("other"), words=("in use", "--port"))
    with t.subtest("no address of this machine"):
        fails_to_start(t, "--port", 0, "--bind", "203.0.113.1", "--data", t.folder("other"), words=("203.0.113.1",))
    with t.subtest("no address at all, and no token"):
        fails_to_start(t, "--port", 0, "--bind", "foo", "--data", t.folder("other"), words=("bind", "numeric address", "foo"))
    with t.subtest("beyond loopback without a token"):
        fails_to_start(t, "--port", 0, "--bind", "0.0.0.0", "--data", t.folder("other"), words=("token",))
    with t.subtest("an unknown flag"):
        fails_to_start(t, "--prot", 0, words=("port", "--help"), code=2)
    with t.subtest("a flag out of range"):
        fails_to_start(t, "--port", 70000, words=("port", "65535"), code=2)
    with t.subtest("a certificate without its key"):
        fails_to_start(t, "--tls-cert", "x.pem", "--data", t.folder("other"), words=("--tls-key",))
    with t.subtest("a certificate that is not there"):
        fails_to_start(t, "--tls-cert", "/x.pem", "--tls-key", "/y.pem", "--data", t.folder("other"), words=("/x.pem",))
    with t.subtest("no database to check"):
        fails_to_start(t, "--check", "--data", t.folder("empty"), words=("tengen.db",))
    with t.subtest("two things at once"):
        fails_to_start(t, "--check", "--backup", "x.db", "--data", t.folder("empty"), words=("--check", "--backup"),
                       code=2)
    with t.subtest("an admin's token from the start"):
        file = t.folder("token") / "admin"
        made = t.server(bind="0.0.0.0", create_admin_token=file)
        t.equal(file.stat().st_mode & 0o777, 0o600, "its mode")
        t.equal(made.api_as(file.read_text().strip()).get("/api/v1/whoami").json["role"], "admin", "role")
    with t.subtest("a token made while nothing runs"):
        data = t.folder("data")
        token = t.tool("tengen-server", "token", "create", "--data", data, "--role", "view", check=0).stdout.decode()
        t.equal(t.server(data=data, token=token.strip()).api.get("/api/v1/whoami").json["role"], "view", "role")


def a_database_from_a_newer_version(t):
    server = t.server()
    server.api.expect(201, "POST", "/api/v1/jobs", json=SELFPLAY)
    server.stop()
    with sqlite3.connect(server.data / "tengen.db") as database:
        (version,) = database.execute("PRAGMA user_version").fetchone()
        database.execute(f"PRAGMA user_version = {version + 1000}")
    fails_to_start(t, "--port", 0, "--data", server.data, words=("newer",))
    with sqlite3.connect(server.data / "tengen.db") as database:
        database.execute(f"PRAGMA user_version = {version}")
    unharmed(t, t.server(data=server.data), jobs=1)


def no_database_of_ours(t):
    data = t.folder("data")
    (data / "tengen.db").write_bytes(b"not a database, but long enough to be looked at" * 100)
    fails_to_start(t, "--port", 0, "--data", data, words=("tengen.db",))
    t.contains((data / "tengen.db").read_bytes(), b"not a database", "the file is as it was")


def a_read_only_folder(t):
    """As another user, because root may write everywhere."""
    if os.geteuid() != 0:
        data = t.folder("data")
        data.chmod(0o500)
        fails_to_start(t, "--port", 0, "--data", data, words=(str(data),))
        return
    data = t.folder("data")
    t.top.chmod(0o755)
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "ro,size=1m", "tmpfs", data], capture_output=True)
    if mounted.returncode:
        t.skip(f"mount is not permitted: {mounted.stderr.decode().strip()}")
    t.cleanup(subprocess.run, ["umount", data])
    fails_to_start(t, "--port", 0, "--data", data, words=(str(data),))


def small_disk(t, size):
    data = t.folder("data")
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", data], capture_output=True)
    if mounted.returncode:
        t.skip(f"mount is not permitted: {mounted.stderr.decode().strip()}")
    t.cleanup(subprocess.run, ["umount", "-l", data])
    return data


def a_full_disk(t):
    data = small_disk(t, "6m")
    server = t.server(data=data, free_floor_mib=1)
    api = server.api
    job = {"kind": "selfplay", "config": {"games": 1000, "games_per_task": 1000, "board": 5}}
    api.expect(201, "POST", "/api/v1/jobs", json=job)
    worker = harness.FakeWorker(api)
    task = worker.lease()["tasks"][0]
    stored = 0
    refused = None
    for seq in range(200):
        answer = worker.chunk(task, seq, harness.game_chunk(note=str(seq), body=os.urandom(100000)))
        if answer.status != 201:
            refused = answer
            break
        stored += 1
    t.true(refused, "the disk becomes full")
    t.problem(refused, 507, "storage_full")
    t.problem(api.get("/readyz"), 503, "busy", "disk")
    t.equal(api.get("/api/v1/stats").json["disk_full"], True, "stats say so")
    t.contains(worker.lease(1, 0, [{"task": task["id"], "attempt": 1}]).get("wait_reason", ""), "disk", "no new work")
    t.equal(api.expect(200, "GET", "/api/v1/jobs/1")["units"]["done"], stored, "every 201, and nothing else, is stored")
    subprocess.run(["mount", "-o", "remount,size=40m", data], check=True)
    answer = harness.wait_for(
        lambda: (a := worker.chunk(task, stored, harness.game_chunk(note="late"))).status == 201 and a, 10,
        "the chunk to be taken once there is space")
    t.equal(answer.json, {"stored": True}, "answer")
    worker.lease(1, 0, [{"task": task["id"], "attempt": 1}])
    t.equal([words for words in ("no new work is handed out", "work is handed out again") if server.log().count(words) != 1],
            [], "what the log does not say once")
    unharmed(t, server, jobs=1)


def who_waits_hears_of_the_disk_at_once(t):
    data = small_disk(t, "8m")
    server = t.server(data=data, free_floor_mib=1)
    worker = harness.FakeWorker(server.api)
    ballast = data / "ballast"

    def fill_up():
        with open(ballast, "wb", buffering=0) as file, contextlib.suppress(OSError):
            while True:
                file.write(bytes(4096))

    def suspended():
        found = re.search(rb"tengen_http_requests_suspended (\d+)\n", server.api.get("/metrics").body)
        return int(found[1])

    alone = suspended()
    with concurrent.futures.ThreadPoolExecutor() as pool:
        for change, reason in ((fill_up, "the coordinator's disk is nearly full"), (ballast.unlink, "no job is queued")):
            answer = pool.submit(worker.lease, 1, 60)
            harness.wait_for(lambda: suspended() > alone, 30, "the long poll")
            change()
            t.equal(answer.result(30 * harness.SLOW).get("wait_reason"), reason, f"what it hears when {change.__name__} is done")


def an_agent_keeps_what_a_full_disk_refuses(t):
    data = small_disk(t, "8m")
    server = t.server(data=data, free_floor_mib=1, lease_s=3)
    engine, go = t.slow_engine()
    job = server.api.expect(201, "POST", "/api/v1/jobs", json={"kind": "teacher", "config": {
        "games": 60, "games_per_task": 60, "board": 5, "engine": "slow"}})["id"]
    get = lambda: server.api.expect(200, "GET", f"/api/v1/jobs/{job}")
    worker = t.worker(server, engine=engine)
    harness.wait_for(lambda: get()["units"]["done"] > 0, 30, "the first games")
    ballast = data / "ballast"
    with open(ballast, "wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(4096))
    harness.wait_for(lambda: "507 storage_full" in worker.log(), 60, "the agent to say why it waits")
    spooled = lambda: list((worker.data / "spool").rglob("*.chunk"))
    harness.wait_for(lambda: len(spooled()) > 1, 60, "games in the spool")
    harness.wait_for(lambda: "disk is nearly full" in get()["reason"], 60, "the job to say why it waits")
    ballast.unlink()
    go.touch()
    harness.wait_for(lambda: get()["state"] == "succeeded", 90, "the job to end once there is room")
    t.equal(get()["totals"]["games"], 60, "games, each once")
    t.equal(worker.stop(), 0, "the agent's exit code")
    t.equal(spooled(), [], "what is left in the spool")
    unharmed(t, server, jobs=1)


if __name__ == "__main__":
    harness.run(bodies_of_jobs, queries_and_paths, workers_and_results, more_workers_than_may_be, tokens_and_roles, no_http_at_all,
                plain_words_to_a_tls_port, bodies_that_do_not_come,
                more_bodies_than_there_is_memory_for, how_to_join, too_many_requests, starting, a_database_from_a_newer_version,
                no_database_of_ours, a_read_only_folder, a_full_disk, who_waits_hears_of_the_disk_at_once,
                an_agent_keeps_what_a_full_disk_refuses,
                timeout=120)
