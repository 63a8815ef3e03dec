"""From a job in JSON to finished games: coordinator, agents and runners together."""
# run_tests: timeout=400

import os
import shutil

import harness


def job_of(server, kind="selfplay", name="test", **config):
    config = {"seed": 11, **config}  # the same games in every run
    return server.api.expect(201, "POST", "/api/v1/jobs", json={"kind": kind, "name": name, "config": config})["id"]


def get_job(server, job):
    return server.api.expect(200, "GET", f"/api/v1/jobs/{job}")


def wait_ended(server, job, timeout=60):
    def ended():
        state = get_job(server, job)
        return state if state["state"] in ("succeeded", "failed", "cancelled") else None

    return harness.wait_for(ended, timeout, f"job {job} to end", every=0.1)


def games_of(server, job):
    return server.api.pages(f"/api/v1/jobs/{job}/games")


SMALL = {"board": 5, "player": {"type": "uct", "playouts": 30}}


def the_first_run(t):
    """Submitted over HTTP, played by a worker, stored, listed, and every game is legal."""
    server = t.server()
    agent = t.worker(server, runners=2)
    job = job_of(server, games=10, games_per_task=3, **SMALL)
    state = wait_ended(server, job)
    t.equal((state["state"], state["error"]), ("succeeded", None), "how the job ended")
    t.equal(state["units"], {"total": 10, "done": 10, "leased": 0}, "games")
    t.equal(state["tasks"], {"pending": 0, "leased": 0, "done": 4, "failed": 0, "cancelled": 0}, "tasks")
    t.equal(state["totals"]["games"], 10, "the sum of the counter games")
    games = games_of(server, job)
    t.equal(len(games), 10, "games listed")
    t.equal(len({game["id"] for game in games}), 10, "different games listed")
    folder = t.folder("sgf")
    for game in games:
        t.equal((game["board"], game["job"]), (5, job), f"board and job of {game}")
        answer = server.api.get(f"/api/v1/games/{game['id']}.sgf")
        t.equal((answer.status, answer.headers.get("Content-Type", "").split(";")[0]),
                (200, "application/x-go-sgf"), "the record")
        (folder / f"{game['id']}.sgf").write_bytes(answer.body)
    check = t.tool("tengen-run", "sgf-check", folder, check=0)
    counts = harness.jsonlib.loads(check.stdout)
    t.equal((counts["games"], counts["legal"], counts["with_result"]), (10, 10, 10), f"sgf-check says {counts}")
    t.equal(counts["score_matches"], counts["scored"], f"results by score are right: {counts}")
    t.equal(len({(folder / f"{g['id']}.sgf").read_bytes() for g in games}), 10, "different records")
    tasks = server.api.pages(f"/api/v1/jobs/{job}/tasks")
    t.equal([task["state"] for task in tasks], ["done"] * 4, "states of the tasks")
    t.equal(sum(task["units"] for task in tasks), 10, "games of the tasks")
    t.equal(agent.stop(), 0, "exit code of the agent")
    t.equal(server.stop(), 0, "exit code of the coordinator")
    t.tool("tengen-server", "--check", "--data", server.data, check=0)


def the_same_seed_plays_the_same_games(t):
    server = t.server()
    t.worker(server, runners=2)
    jobs = [job_of(server, games=4, games_per_task=2, seed=5, **SMALL) for _ in range(2)]
    records = []
    for job in jobs:
        wait_ended(server, job)
        moves = []
        for game in games_of(server, job):
            text = server.api.get(f"/api/v1/games/{game['id']}.sgf").body.decode()
            moves.append(text[text.index(";B"):])
        records.append(sorted(moves))
    t.equal(records[0], records[1], "the moves of two jobs of one seed")


def two_workers_share_a_job(t):
    server = t.server()
    agents = [t.worker(server, runners=1, name=name) for name in ("left", "right")]
    server.wait_parked(2)  # else the first one may have done all of it before the other is there
    job = job_of(server, games=60, games_per_task=1, board=7, player={"type": "uct", "playouts": 200})
    state = wait_ended(server, job, 120)
    t.equal(state["units"]["done"], 60, "games")
    tasks = server.api.pages(f"/api/v1/jobs/{job}/tasks")
    shares = {name: sum(task["worker_name"] == name for task in tasks) for name in ("left", "right")}
    t.note(f"tasks: {shares}")
    t.at_least(min(shares.values()), 1, "tasks of the lazier worker")
    t.equal(sum(shares.values()), 60, "tasks in all")
    t.equal(len(games_of(server, job)), 60, "games listed")
    for agent in agents:
        t.equal(agent.stop(), 0, "exit code of an agent")


def a_drained_worker_finishes_its_task_and_stops(t):
    server = t.server()
    agent = t.worker(server, runners=1)
    job = job_of(server, games=400, games_per_task=200, board=7, player={"type": "uct", "playouts": 300})
    harness.wait_for(lambda: get_job(server, job)["units"]["done"] >= 1, 30, "the first game")
    worker = server.api.pages("/api/v1/workers")[0]
    server.api.expect(200, "POST", f"/api/v1/workers/{worker['id']}/drain")
    t.equal(agent.wait(60), 0, "exit code of the drained agent")
    state = get_job(server, job)
    t.true(1 <= state["units"]["done"] < 200, f"the game in play was finished, the task was not: {state['units']}")
    t.equal((state["tasks"]["leased"], state["units"]["leased"]), (0, 0), "what the drained worker still holds")
    t.equal(len(games_of(server, job)), state["units"]["done"], "games listed")


def an_unknown_engine_says_why_it_waits(t):
    server = t.server()
    t.worker(server, runners=1)
    job = job_of(server, kind="teacher", games=2, board=5, engine="nonesuch")
    # Before the agent is there the reason is another one.
    harness.wait_for(lambda: "engine:nonesuch" in get_job(server, job)["reason"], 20, "a reason that names the engine")
    t.equal(get_job(server, job)["state"], "queued", "state")


def gnugo_teaches(t):
    if not shutil.which("gnugo") and not os.path.exists("/usr/games/gnugo"):
        t.skip("gnugo is not installed")
    server = t.server()
    t.worker(server, runners=2)
    job = job_of(server, kind="teacher", games=2, games_per_task=1, board=5)
    state = wait_ended(server, job, 120)
    t.equal((state["state"], state["error"]), ("succeeded", None), "how the job ended")
    for game in games_of(server, job):
        t.equal((game["black"], game["white"]), ("gnugo", "gnugo"), "players")
        t.equal(game["note"], "", "GNU Go and our scorer agree")


def a_match_has_a_score(t):
    server = t.server()
    t.worker(server, runners=2)
    job = job_of(server, kind="match", games=8, games_per_task=2, board=5,
                 a={"type": "uct", "playouts": 200}, b={"type": "uct", "playouts": 1})
    state = wait_ended(server, job, 120)
    t.equal((state["state"], state["error"]), ("succeeded", None), "how the job ended")
    score = state["score"]
    t.equal(score["wins"] + score["draws"] + score["losses"], 8, f"games of the score {score}")
    t.equal(score["games"], 8, "games")
    # None: no finite bound on this side, because nothing else was won (or lost).
    low, elo, high = (score[name] if score[name] is not None else other for name, other in (
        ("elo_low", -1e9), ("elo", 1e9 if score["wins"] else -1e9), ("elo_high", 1e9)))
    t.true(low <= elo <= high, f"the interval holds the estimate: {score}")


if __name__ == "__main__":
    harness.run(the_first_run, the_same_seed_plays_the_same_games, two_workers_share_a_job,
                a_drained_worker_finishes_its_task_and_stops, an_unknown_engine_says_why_it_waits, gnugo_teaches,
                a_match_has_a_score, timeout=150)
