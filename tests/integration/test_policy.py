"""A policy network from games to moves, by hand: train it, score it, let it play over GTP and in tasks."""

import json
import pathlib

import harness

# Two games of 5x5 in which Black always takes the middle: what a network learns first.
GAMES = ("(;SZ[5]KM[0.5]RE[B+24.5];B[cc];W[bb];B[bc];W[cb];B[db];W[dc];B[cd];W[dd])"
         "(;SZ[5]KM[0.5]RE[B+24.5];B[cc];W[dd];B[dc];W[cd];B[bd];W[bc];B[cb];W[bb])")
CONFIG = {"blocks": 1, "channels": 8, "epochs": 0, "steps": 120, "batch": 16, "held_out": 0, "average": 0,
          "warmup": 5, "value_head": True, "checkpoint_seconds": 0}


def task(t, kind, config, inputs, **more):
    path = pathlib.Path(t.folder("task")) / "task.json"
    path.write_text(json.dumps({"kind": kind, "seed": 3, "config": config, "inputs": inputs, **more}))
    return path


def trained(t):
    folder = pathlib.Path(t.folder("train"))
    (folder / "games.sgf").write_text(GAMES)
    document = task(t, "sl-policy", CONFIG, {"games": str(folder / "games.sgf")}, units=1)
    t.tool("tengen-run", document, "--json", "--out", folder, check=0)
    return folder


def trains_scores_and_plays(t):
    folder = trained(t)
    network, games = folder / "checkpoint.safetensors", folder / "games.sgf"
    with t.subtest("accuracy"):
        found = json.loads(t.tool("tengen-run", "accuracy", "--checkpoint", network, games, "--json", check=0).stdout)
        t.equal((found["games"], found["positions"], found["left_out"]), (2, 16, 0), "what was scored")
        t.true(found["top1"] >= 0.5 and found["top5"] >= found["top1"], f"it learnt its games: {found}")
        t.true(0 <= found["mse"] < 1, "the value head's error")
        # Nothing was held out, and that is what is scored.
        done = t.tool("tengen-run", "accuracy", "--checkpoint", network, games, "--held-out", check=1)
        t.contains(done.stderr, b"no position to score", "the message")
        (folder / "nine.sgf").write_text("(;SZ[9];B[cc])")
        done = t.tool("tengen-run", "accuracy", "--checkpoint", network, folder / "nine.sgf", check=1)
        t.contains(done.stderr, b"1 of them of another board size than 5x5", "the message")
        done = t.tool("tengen-run", "accuracy", "--checkpoint", games, games, check=1)
        t.true(done.stderr, "a reason")
        t.tool("tengen-run", "accuracy", "--checkpoint", network, check=2)
        done = t.tool("tengen-run", "accuracy", "--checkpoint", folder / "state.safetensors", games, check=1)
        t.contains(done.stderr, b"tengen-network/1", "the message about a file of another sort")
    with t.subtest("over GTP"):
        script = b"boardsize 9\nboardsize 5\nclear_board\ngenmove b\ngenmove w\nshowboard\nquit\n"
        for mode in ("puct", "policy"):
            done = t.tool("tengen-run", "gtp", "--checkpoint", network, "--player", mode, "--playouts", 40,
                          "--random-seed", 1, input=script, check=0)
            t.contains(done.stdout, b"? unacceptable size", "the answer to another size")
            t.equal(done.stdout.count(b"="), 6, "good answers")
        t.contains(done.stdout, b"= C3", "the policy's first move")
        done = t.tool("tengen-run", "gtp", "--checkpoint", folder / "nothing", input=b"quit\n", check=1)
        t.contains(done.stderr, b"nothing", "the message")
    with t.subtest("in a match"):
        config = {"games": 2, "games_per_task": 2, "board": 5, "a": {"type": "puct", "playouts": 20},
                  "b": {"type": "policy"}, "opening_moves": 2}
        document = task(t, "match", config, {"a_network": str(network), "b_network": str(network)})
        done = t.tool("tengen-run", document, "--json", check=0)
        t.contains(done.stdout, b'"done"', "the end")
        document = task(t, "match", config, {"a_network": str(network)})
        done = t.tool("tengen-run", document, "--json", check=1)
        t.contains(done.stdout + done.stderr, b"inputs.b_network", "the missing input")


def lockstep_is_measured(t):
    done = t.tool("tengen-run", "bench", "search", "--board", 5, "--blocks", 1, "--channels", 8, "--games", 3,
                  "--playouts", 30, "--seconds", 0.2, "--json", check=0)
    figures = json.loads(done.stdout)
    t.true(figures["evals_per_s"] > 0 and figures["infer_evals_per_s"] > 0 and figures["moves"] > 0, "figures")
    t.true(abs(figures["ratio"] - figures["evals_per_s"] / figures["infer_evals_per_s"]) < 0.01, "the ratio")


def from_games_to_a_match_as_jobs(t):
    """The preset's three steps, small: a job's games train a network, and the next job plays with it."""
    server = t.server()
    t.worker(server, runners=2)
    answer = server.api.expect(201, "POST", "/api/v1/jobs", json={"jobs": [
        {"local": "games", "kind": "selfplay",
         "config": {"games": 6, "games_per_task": 2, "board": 5, "seed": 11, "player": {"type": "uct", "playouts": 20}}},
        {"local": "policy", "kind": "sl-policy", "config": {**CONFIG, "seed": 3}, "after": ["games"],
         "inputs": {"games": {"job": "games", "output": "games"}}},
        {"kind": "match", "after": ["policy"], "inputs": {"a_network": {"job": "policy", "output": "checkpoint"}},
         "config": {"games": 2, "games_per_task": 2, "board": 5, "seed": 11, "a": {"type": "puct", "playouts": 20},
                    "b": {"type": "uct", "playouts": 20}, "opening_moves": 2}}]})
    ids = [job["id"] for job in answer["jobs"]]

    def ended():
        jobs = [server.api.expect(200, "GET", f"/api/v1/jobs/{job}") for job in ids]
        states = [job["state"] for job in jobs]
        failed = [job["error"] for job in jobs if job["state"] == "failed"]
        t.equal(failed, [], "what failed")
        return jobs if states == ["succeeded"] * 3 else None

    jobs = harness.wait_for(ended, 90, "the three jobs to succeed")
    t.equal([job["units"]["done"] for job in jobs], [6, 1, 2], "units done")
    t.equal(jobs[2]["score"]["games"], 2, "games of the match")
    reports = server.api.expect(200, "GET", f"/api/v1/jobs/{ids[1]}/reports")["items"]
    t.equal([report["name"] for report in reports], ["summary"], "reports of the training run")
    t.equal(reports[0]["data"]["games"], 6, "games that were learnt from")
    with t.subtest("a player without its network is refused"):
        problem = server.api.post("/api/v1/jobs", json={"kind": "match", "config": {"a": {"type": "puct"}}})
        t.equal((problem.status, problem.json["code"], problem.json["field"]),
                (400, "missing_field", "inputs.a_network"), "the answer")


def the_presets_are_taken(t):
    server = t.server()
    for name, jobs in (("policy-9x9", 3), ("selfplay-9x9", 1)):
        document = json.loads((harness.ROOT / "scripts" / "presets" / f"{name}.json").read_text())
        answer = server.api.expect(201, "POST", "/api/v1/jobs", json=document)
        t.equal(len(answer.get("jobs", [answer])), jobs, f"jobs of {name}")


if __name__ == "__main__":
    harness.run(trains_scores_and_plays, lockstep_is_measured, from_games_to_a_match_as_jobs, the_presets_are_taken)
