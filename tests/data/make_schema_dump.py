#!/usr/bin/env python3
"""make_schema_dump.py: writes schema-N.sql, a small database as this release leaves it behind: finished games, a job that
is under way with a lapsed lease, a checkpoint, a state and a report, a data set, and a cancelled job. Run it once when a release adds a migration; the dump stays for ever,
because test_lifecycle.py upgrades every one of them."""

import json
import pathlib
import sqlite3
import struct
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "integration"))
import harness  # noqa: E402  pylint: disable=wrong-import-position


def train(worker, task):
    header = json.dumps({"w": {"dtype": "U8", "shape": [3], "data_offsets": [0, 3]}}).encode()
    network = struct.pack("<Q", len(header)) + header + b"abc"
    for seq, name in enumerate(("state", "checkpoint"), 1):
        worker.chunk(task, seq, harness.encode_chunk(
            {"type": "checkpoint", "units": 0, "counters": {}, "checkpoint": {"name": name, "step": 7}}, network))
    worker.chunk(task, 3, harness.encode_chunk(
        {"type": "report", "units": 0, "counters": {}, "report": {"name": "summary", "step": 7}}, b'{"loss": 0.5}'))


def fill(t):
    server = t.server()
    agent = t.worker(server, name="old worker")
    config = {"board": 5, "player": {"type": "uct", "playouts": 30}, "seed": 1}

    def submit(name, games):
        return server.api.expect(201, "POST", "/api/v1/jobs",
                                 json={"kind": "selfplay", "name": name, "config": {**config, "games": games}})["id"]

    first = submit("finished", 3)
    harness.wait_for(lambda: server.api.get(f"/api/v1/jobs/{first}").json["state"] == "succeeded", 30, "three games")
    agent.stop()
    cancelled = submit("cancelled", 5)
    server.api.expect(200, "POST", f"/api/v1/jobs/{cancelled}/cancel")
    submit("under way", 20)
    worker = harness.FakeWorker(server.api, name="gone")
    task = worker.lease(wait_s=1)["tasks"][0]
    worker.chunk(task, 0, harness.game_chunk())
    train(worker, task)
    server.api.expect(201, "POST", "/api/v1/datasets?name=a%20game", body=b"(;FF[4]GM[1]SZ[9];B[ee];W[cc])",
                      headers={"Content-Type": "application/octet-stream"})
    server.stop()
    return server.data


def dump(data):
    database = sqlite3.connect(data / "tengen.db")
    version = database.execute("PRAGMA user_version").fetchone()[0]
    application = database.execute("PRAGMA application_id").fetchone()[0]
    lines = [*database.iterdump(), f"PRAGMA application_id = {application};", f"PRAGMA user_version = {version};"]
    (HERE / f"schema-{version}.sql").write_text("\n".join(lines) + "\n", encoding="utf-8")
    print(f"schema-{version}.sql: {len(lines)} statements")


def main():
    case = harness.Case("dump", harness.Reporter())
    try:
        dump(fill(case))
    finally:
        case.close()
        case.remove()


if __name__ == "__main__":
    main()
