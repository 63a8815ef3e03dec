"""Data sets: looked at before they are kept, kept once, named by jobs; and the client's commands for them and for checkpoints."""
# run_tests: timeout=300

import contextlib
import hashlib
import io
import json
import os
import sqlite3
import struct
import tarfile
import time

import harness

BINARY = {"Content-Type": "application/octet-stream"}
GAME = b"(;FF[4]GM[1]SZ[9]KM[7]RE[B+1];B[ee];W[cc];B[dd];W[];B[])"


def packed(*games):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for number, game in enumerate(games):
            entry = tarfile.TarInfo(f"{number}.sgf")
            entry.size = len(game)
            tar.addfile(entry, io.BytesIO(game))
    return out.getvalue()


def safetensors(size=1000):
    header = json.dumps({"w": {"dtype": "U8", "shape": [size], "data_offsets": [0, size]}})
    header += " " * (-len(header) % 8)
    return struct.pack("<Q", len(header)) + header.encode() + bytes(size)


def script(t, text):
    """A program that stands in for tengen-run."""
    path = t.folder("bin") / "checker"
    path.write_text("#!/bin/sh\n" + text, encoding="utf-8")
    path.chmod(0o755)
    return path


def weights(*tensors):
    """A safetensors file of (name, dtype, values' bytes)."""
    header, data = {}, b""
    for name, dtype, values in tensors:
        count = len(values) // {"F64": 8, "F32": 4, "F16": 2, "BF16": 2, "I32": 4}[dtype]
        header[name] = {"dtype": dtype, "shape": [count], "data_offsets": [len(data), len(data) + len(values)]}
        data += values
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def values_that_are_no_numbers_are_refused_at_the_door(t):
    server = t.server()
    nan, inf = struct.pack("<f", float("nan")), struct.pack("<f", float("-inf"))
    largest = struct.pack("<f", 3.4028234e38) + struct.pack("<f", -3.4028234e38)
    good, near = ("good", "F32", largest * 100), 262144 * 64 // 4  # where the reader looks at its queue
    cases = [("late", "F32", bytes(4 * near) + inf + bytes(4), near), ("first", "F32", nan + bytes(800000), 0),
             ("half", "F16", struct.pack("<2e", 65504, float("inf")), 1), ("brain", "BF16", b"\x7f\x7f\x80\x7f", 1),
             ("double", "F64", struct.pack("<3d", 1e308, 0, float("nan")), 2)]
    put = lambda body: server.api.call("PUT", "/api/v1/checkpoints", body=body, headers=BINARY)
    for name, dtype, values, element in cases:
        with t.subtest(f"a tensor named {name}"):
            refused = t.problem(put(weights(good, (name, dtype, values), ("bits", "I32", inf))), 400, "out_of_range", name)
            t.contains(refused["detail"], f"(element {element})", "which")
    t.equal(server.api.pages("/api/v1/checkpoints"), [], "checkpoints")
    whole = weights(good, ("whole", "I32", inf + nan), ("none", "F32", b""), ("half", "F16", struct.pack("<2e", 65504, -65504)))
    t.equal(put(whole).status, 201, "what is finite, and whole numbers of any bits")


def post(api, body, name="set"):
    return api.call("POST", f"/api/v1/datasets?name={name}", body=body, headers=BINARY)


def pages_hear_of_data_sets(t):
    server = t.server()
    with server.api.events("datasets") as events:
        next(events)  # the greeting
        stored = post(server.api, packed(GAME), "heard").json
        t.equal(server.api.call("DELETE", f"/api/v1/datasets/{stored['id']}").status, 204, "removed")
        t.equal(next(events)[1:], ("dataset", stored), "one that came")
        t.equal(next(events)[1:], ("dataset_removed", {"id": stored["id"]}), "and went")


def a_data_set_is_described_and_kept_once(t):
    server = t.server()
    data = packed(GAME, GAME)
    first = post(server.api, data, "one")
    t.equal(first.status, 201, f"the upload: {first!r}")
    t.equal((first.json["info"]["format"], first.json["info"]["games"], first.json["existed"]), ("sgf", 2, False), "info")
    second = post(server.api, iter([data[:5000], data[5000:]]), "two")
    t.equal((second.status, second.json["existed"]), (201, True), "the same bytes under another name")
    rows = server.api.pages("/api/v1/datasets")
    t.equal([(row["name"], row["info"]["games"]) for row in rows], [("two", 2), ("one", 2)], "the list")
    t.equal(harness.sqlite_rows(server.data, "SELECT count(*) FROM contents"), [(1,)], "contents")
    t.equal(server.api.get(f"/api/v1/datasets/{rows[1]['id']}").body, data, "its bytes")
    with t.subtest("removed, and its bytes with the last of its names"):
        for row in rows:
            t.equal(server.api.call("DELETE", f"/api/v1/datasets/{row['id']}").status, 204, "the answer")
        t.equal(harness.sqlite_rows(server.data, "SELECT count(*) FROM contents"), [(0,)], "contents")
        t.problem(server.api.call("DELETE", "/api/v1/datasets/1"), 404, "not_found", "id")
    t.equal(server.stop(), 0, "exit code")
    t.tool("tengen-server", "--check", "--data", server.data, check=0)


def a_name_stands_for_one_content(t):
    server = t.server()
    one, other = packed(GAME), packed(GAME, GAME)
    first = post(server.api, one, "games").json
    again = post(server.api, one, "games")
    t.equal((again.status, again.json["id"], again.json["existed"]), (201, first["id"], True), "the same once more")
    with t.subtest("other content under the name is refused"):
        refused = t.problem(post(server.api, other, "games"), 409, "name_taken", "name")
        t.contains(refused["detail"], f"data set {first['id']} has this name", "who has it")
        t.contains(refused["detail"], "choose another name, or remove", "what to do")
    t.equal([row["id"] for row in server.api.pages("/api/v1/datasets")], [first["id"]], "data sets")
    harness.wait_for(lambda: harness.sqlite_rows(server.data, "SELECT count(*) FROM contents") == [(1,)], 20, "no other content")
    with t.subtest("the client says what to do"):
        file = t.folder("sets") / "games"
        file.write_bytes(other)
        said = t.tool("tengen", "dataset", "add", file, "--server", server.url, check=1).stderr.decode()
        t.contains(said, "choose another name", "what it says")
    with t.subtest("of names that an older database repeats the newest counts"):
        newer = post(server.api, other, "newer").json
        t.equal(server.stop(), 0, "exit code")
        with contextlib.closing(sqlite3.connect(f"{server.data}/tengen.db")) as database, database:
            database.execute("UPDATE datasets SET name = 'games'")
        server = t.server(data=server.data)
        t.equal(post(server.api, other, "games").json["id"], newer["id"], "the newest's content")
        t.problem(post(server.api, one, "games"), 409, "name_taken", "name")
        job = server.api.expect(201, "POST", "/api/v1/jobs", json={
            "kind": "sl-policy", "inputs": {"games": {"dataset": "games"}}})
        t.equal(job["inputs"], {"games": {"dataset": newer["id"]}}, "what the name becomes")
        server.api.expect(200, "POST", f"/api/v1/jobs/{job['id']}/cancel")
    with t.subtest("a name is free again once its data set is removed"):
        for _ in range(2):
            row = server.api.pages("/api/v1/datasets")[0]
            t.equal(server.api.call("DELETE", f"/api/v1/datasets/{row['id']}").status, 204, "removed")
        t.equal(post(server.api, one, "games").status, 201, "the name anew")


def what_is_none_is_refused_with_the_reason(t):
    server = t.server()
    for name, body in [("text", b"hello"), ("nothing", b""), ("games that are none", packed(b"(;FF[4]GM[1]SZ[9];B[zz])")),
                       ("a large file of zeros", bytes(3_000_000))]:
        with t.subtest(f"{name} is refused"):
            answer = post(server.api, body)
            t.equal(answer.status, 400, f"{answer!r}")
            t.true(answer.json["detail"] and "/proc" not in answer.body.decode(), f"the reason: {answer.json}")
    with t.subtest("an illegal game's place is named, the upload is not: it has no name"):
        detail = post(server.api, b"(;SZ[9];B[aa];W[aa])").json["detail"]
        t.equal(detail, "holds no usable game; the first that is not: line 1, column 15, move 2, white aa: occupied", "the reason")
    t.equal(server.api.pages("/api/v1/datasets"), [], "data sets")
    with server.api.connect() as gone:  # hangs up in the middle
        gone.sendall(b"POST /api/v1/datasets?name=x HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/octet-stream\r\n"
                     b"Content-Length: 1000000\r\n\r\n" + b"x" * 500000)
        time.sleep(0.2)
    harness.wait_for(lambda: not server.children(), 20, "the child to end")
    t.equal(post(server.api, packed(GAME)).status, 201, "and a good one is taken afterwards")
    t.equal(server.stop(), 0, "exit code")
    t.tool("tengen-server", "--check", "--data", server.data, check=0)


def a_check_that_fails_harms_nobody(t):
    data = packed(GAME)
    early = ("crashes", "says too much", "refuses early")  # half-way: the sender hears the reason all the same
    for name, text, status, words in [
            ("crashes", "kill -SEGV $$", 400, "signal"), ("says nothing", "cat >/dev/null", 400, "exit code"),
            ("says too much", "yes", 400, ""), ("refuses early", 'echo \'{"error": {"code": "not_found", "field": "/proc/self/fd/3/a.png", "detail": "a bomb"}}\'; exit 1', 400, "a bomb"),
            ("has no room", 'cat >/dev/null; echo \'{"error": {"code": "io", "field": "-", "detail": "disk full"}}\'; exit 1', 507, "disk full"),
            ("is content early", 'echo \'{"format": "idx", "samples": 3}\'', 201, "idx")]:
        with t.subtest(f"a check that {name}"):
            server = t.server(runner=script(t, text))
            answer = post(server.api, data + bytes(24_000_000 if name in early else 2_000_000))
            t.equal(answer.status, status, f"{answer!r}")
            t.contains(answer.body.decode(), words, "the reason")
            t.equal(server.api.get("/healthz").status, 200, "the coordinator")
            t.equal(server.stop(), 0, "exit code")
    with t.subtest("no program"):
        server = t.server(runner="/nonexistent/tengen-run")
        t.problem(post(server.api, data), 503, "unavailable")
    with t.subtest("too many at once"):
        server = t.server(runner=script(t, "sleep 30"))
        held = [server.api.connect() for _ in range(4)]
        for connection in held:
            connection.sendall(b"POST /api/v1/datasets?name=x HTTP/1.1\r\nHost: localhost\r\n"
                               b"Content-Type: application/octet-stream\r\nContent-Length: 1000000\r\n\r\n" + b"x" * 1000)
        harness.wait_for(lambda: len(server.children()) == 4, 20, "four children")
        t.problem(post(server.api, data), 503, "busy")
        for connection in held:
            connection.close()
        harness.wait_for(lambda: not server.children(), 20, "the children to be killed")


def jobs_name_what_is_there(t):
    server = t.server()
    row = post(server.api, packed(GAME), "games").json

    def submit(value, name="games"):
        return server.api.post("/api/v1/jobs", json={
            "kind": "sl-policy", "inputs": {"games": {"dataset": "games"}, name: value}})

    t.problem(submit({"dataset": 77}), 404, "not_found", "inputs.games")
    t.contains(submit({"dataset": "game"}).json["detail"], "games (1)", "what there is")
    t.problem(submit({"checkpoint": "0" * 64}), 400, "invalid", "inputs.games")
    t.problem(submit({"dataset": 1, "more": 2}), 400, "invalid", "inputs.games")
    t.problem(submit({"dataset": 1}, "nonsense"), 400, "unknown_option", "inputs.nonsense")
    selfplay = server.api.expect(201, "POST", "/api/v1/jobs", json={"kind": "selfplay", "config": {"board": 5}})["id"]
    for value, status, words in [({"checkpoint": "0" * 64}, 404, "upload it first"),
                                 ({"job": selfplay, "output": "checkpoint"}, 400, "it has: games"),
                                 ({"job": 99, "output": "checkpoint"}, 404, "no job 99")]:
        answer = submit(value, "network")
        t.equal((answer.status, answer.json["field"]), (status, "inputs.network"), f"{answer!r}")
        t.contains(answer.json["detail"], words, "the reason")
    job = submit({"dataset": "games"}).json
    t.equal(job["inputs"], {"games": {"dataset": row["id"]}}, "a name has become an id")
    refused = server.api.call("DELETE", f"/api/v1/datasets/{row['id']}")
    t.problem(refused, 409, "wrong_state", "id")
    worker = harness.FakeWorker(server.api, capabilities=["kind:sl-policy"])
    task = harness.wait_for(lambda: worker.lease(wait_s=1)["tasks"], 20, "a task")[0]
    t.equal(task["inputs"], {"games": {"sha256": row["sha256"]}}, "what the worker gets")
    server.api.expect(200, "POST", f"/api/v1/jobs/{job['id']}/cancel")
    t.equal(server.api.call("DELETE", f"/api/v1/datasets/{row['id']}").status, 204, "removed once the job is over")


def a_data_set_of_another_format_is_refused_at_once(t):
    server = t.server()
    row = post(server.api, packed(GAME), "games").json
    body = {"kind": "classify", "inputs": {"data": {"dataset": "games"}}}
    error = t.problem(server.api.call("POST", "/api/v1/jobs", json=body), 400, "invalid", "inputs.data")
    t.equal(error["detail"], f"data set {row['id']} is of format sgf; this input takes idx or png", "the detail")
    t.equal(server.api.pages("/api/v1/jobs"), [], "jobs")


def a_job_whose_input_was_never_made_fails_and_says_so(t):
    server = t.server()
    post(server.api, packed(GAME), "any")
    first = {"local": "one", "kind": "sl-policy", "inputs": {"games": {"dataset": "any"}}}
    second = {"local": "two", "kind": "sl-policy",
              "inputs": {"games": {"dataset": "any"}, "network": {"job": "one", "output": "checkpoint"}}}
    jobs = server.api.expect(201, "POST", "/api/v1/jobs", json={"jobs": [first, second]})["jobs"]
    worker = harness.FakeWorker(server.api, capabilities=["kind:sl-policy"])
    task = harness.wait_for(lambda: worker.lease(wait_s=1)["tasks"], 20, "the first task")[0]
    units = harness.encode_chunk({"type": "units", "units": 1, "counters": {}})
    t.equal(worker.chunk(task, 0, units).status, 201, "its unit, without a checkpoint")
    t.equal(worker.done(task, 1).status, 200, "done")

    def ended():
        t.equal(worker.lease(wait_s=0)["tasks"], [], "tasks of a job that lacks its input")
        return server.api.get(f"/api/v1/jobs/{jobs[1]['id']}").json["state"] == "failed"

    harness.wait_for(ended, 20, "the job to fail")
    error = server.api.get(f"/api/v1/jobs/{jobs[1]['id']}").json["error"]
    t.equal(error["field"], "inputs.network", f"{error}")
    t.contains(error["detail"], f"job {jobs[0]['id']} has stored no checkpoint", "the reason")
    t.equal(server.stop(), 0, "exit code")
    t.tool("tengen-server", "--check", "--data", server.data, check=0)


def the_client_sends_and_fetches(t):
    server = t.server()
    env = {**os.environ, "TENGEN_SERVER": server.url, "HOME": str(t.folder("home"))}

    def tengen(*arguments, **more):
        return t.tool("tengen", *arguments, env=env, **more)

    digests = []
    for order in (["b", "a", "sub/c"], ["sub/c", "a", "b"]):
        folder = t.folder("games")
        (folder / "sub").mkdir()
        for file in order:
            (folder / f"{file}.sgf").write_bytes(GAME)
        os.utime(folder / "a.sgf", (order.index("a"), order.index("a")))
        (folder / ".hidden").write_bytes(b"x")
        added = json.loads(tengen("dataset", "add", folder, "--name", "mine", "--json", check=0).stdout)
        digests.append(added["sha256"])
        t.equal(added["info"]["games"], 3, "games")
    t.equal(digests[0], digests[1], "the digest of the same files")
    t.contains(tengen("dataset", "list", check=0).stdout.decode(), "mine", "the list")
    t.contains(tengen("dataset", "add", __file__, check=1).stderr.decode(), "nothing that is known", "the reason")
    nothing = t.folder("nothing")
    (nothing / "a.txt").write_text("no samples")
    t.contains(tengen("dataset", "add", nothing, check=1).stderr.decode(), f"tengen: {nothing}: ", "what is at fault")
    t.contains(tengen("checkpoint", "add", __file__, check=1).stderr.decode(),
               f"{__file__}: this is no safetensors file", "what no checkpoint is")
    tengen("dataset", "add", t.folder("empty"), check=2)
    t.contains(tengen("dataset", "remove", 1, check=0).stdout.decode(), "removed", "remove")
    data = safetensors(3_000_000)
    file = t.folder("files") / "net.safetensors"
    file.write_bytes(data)
    digest = hashlib.sha256(data).hexdigest()
    t.equal(tengen("checkpoint", "add", file, check=0).stdout.decode().strip(), digest, "add prints the digest")
    t.contains(tengen("checkpoint", "list", check=0).stdout.decode(), "net.safetensors", "the list")
    out = file.with_name("out")
    tengen("checkpoint", "fetch", digest, "--output", out, check=0)
    t.true(out.read_bytes() == data, "what was fetched")
    tengen("checkpoint", "fetch", "0" * 64, "--output", out, check=1)
    t.true(out.read_bytes() == data, "a failure leaves the file alone")
    t.equal(sorted(path.name for path in out.parent.iterdir()), ["net.safetensors", "out"], "files")


if __name__ == "__main__":
    harness.run(pages_hear_of_data_sets, a_data_set_is_described_and_kept_once, a_name_stands_for_one_content,
                what_is_none_is_refused_with_the_reason, a_check_that_fails_harms_nobody, jobs_name_what_is_there,
                a_data_set_of_another_format_is_refused_at_once, a_job_whose_input_was_never_made_fails_and_says_so,
                values_that_are_no_numbers_are_refused_at_the_door, the_client_sends_and_fetches, timeout=60)
