#!/usr/bin/env python3
"""make_schema_dump.py: writes schema-N.sql, a small database as this release leaves it behind: finished games, a job that
is under way with a lapsed lease, and a cancelled one. Run it once when a release adds a migration; the dump stays for ever,
because test_lifecycle.py upgrades every one of them."""

import pathlib
import sqlite3
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "integration"))
import harness  # noqa: E402  pylint: disable=wrong-import-position


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
