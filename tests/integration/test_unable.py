"""A failure that is the machine's counts against that machine: its tasks go to others, or wait and say why."""

import json

import harness

# A GTP engine that always passes.
PASSES = r"""#!/bin/sh
while read id command rest; do
    case $command in genmove) answer=pass;; *) answer="";; esac
    printf '=%s %s\n\n' "$id" "$answer"
done
"""
BROKEN = "#!/bin/sh\necho this engine lacks its library >&2\nexit 7\n"


def engine(t, text):
    path = t.folder("engine") / "drum"
    write(path, text)
    return path


def write(path, text):
    """At once: an agent may be about to start what is there, and no program can be started that is being written."""
    new = path.with_suffix(".new")
    new.write_text(text)
    new.chmod(0o755)
    new.rename(path)


def submit(server, games):
    config = {"games": games, "games_per_task": 1, "board": 5, "engine": "drum"}
    return server.api.expect(201, "POST", "/api/v1/jobs", json={"kind": "teacher", "config": config})["id"]


def get_job(server, job):
    return server.api.expect(200, "GET", f"/api/v1/jobs/{job}")


def worker_named(server, name):
    return next((w for w in server.api.pages("/api/v1/workers") if w["name"] == name), None)


def wait_unable(server, name):
    def unable():
        worker = worker_named(server, name)
        return worker if worker and worker["unable"] else None

    return harness.wait_for(unable, 20, f"{name} to be unable")


def wait_succeeded(t, server, job):
    harness.wait_for(lambda: get_job(server, job)["state"] not in ("queued", "running"), 30, "the job to end", every=0.1)
    state = get_job(server, job)
    t.equal((state["state"], state["error"]), ("succeeded", None), "how the job ended")


def a_broken_engine_leaves_the_work_to_others(t):
    server = t.server()
    job = submit(server, 7)  # more than a task may fail
    t.worker(server, name="bad", engine=f"drum={engine(t, BROKEN)}", runners=2)
    unable = wait_unable(server, "bad")["unable"]
    t.equal([one["what"] for one in unable], ["engine:drum"], "what it is unable to do")
    t.contains(unable[0]["reason"], "worker bad: engine drum does not work on this machine", "the reason")
    t.worker(server, name="good", engine=f"drum={engine(t, PASSES)}")
    wait_succeeded(t, server, job)
    tasks = server.api.pages(f"/api/v1/jobs/{job}/tasks")
    t.equal({task["worker_name"] for task in tasks}, {"good"}, "who did the tasks")
    t.equal(worker_named(server, "good")["unable"], [], "what the good one is unable to do")
    # What does not need the engine is still done by the machine without one.
    server.wait_parked(2)
    other = server.api.expect(201, "POST", "/api/v1/jobs", json={
        "kind": "selfplay", "config": {"games": 8, "games_per_task": 1, "board": 5,
                                       "player": {"type": "uct", "playouts": 10}}})["id"]
    wait_succeeded(t, server, other)
    names = {task["worker_name"] for task in server.api.pages(f"/api/v1/jobs/{other}/tasks")}
    t.contains(names, "bad", "who did the others")


def a_job_that_nobody_can_do_waits_and_goes_on(t):
    server = t.server()
    path = engine(t, BROKEN)
    t.worker(server, name="alone", engine=f"drum={path}")
    job = submit(server, 2)
    worker = wait_unable(server, "alone")
    reason = harness.wait_for(lambda: get_job(server, job)["reason"], 20, "a reason")
    t.contains(reason, "worker alone: engine drum does not work on this machine", "why the job waits")
    t.contains(reason, "--engine drum=COMMAND", "the remedy")
    t.contains(reason, f"tengen worker enable {worker['id']}", "how it goes on")
    t.equal(get_job(server, job)["state"], "running", "the job's state")
    listed = t.tool("tengen", "workers", "--server", server.url, check=0).stdout.decode()
    t.contains(listed, "engine:drum", "the list of workers")
    t.contains(listed, "worker alone: engine drum does not work", "the reason in it")
    items = json.loads(t.tool("tengen", "workers", "--json", "--server", server.url, check=0).stdout)["items"]
    t.equal(items[0]["unable"][0]["what"], "engine:drum", "the same for programs")
    write(path, PASSES)
    t.tool("tengen", "worker", "enable", worker["id"], "--server", server.url, check=0)
    wait_succeeded(t, server, job)
    t.equal(worker_named(server, "alone")["unable"], [], "what it is unable to do now")


def it_is_tried_again_by_itself(t):
    server = t.server(lease_s=3)
    path = engine(t, BROKEN)
    t.worker(server, name="alone", engine=f"drum={path}")
    job = submit(server, 1)
    wait_unable(server, "alone")
    write(path, PASSES)
    wait_succeeded(t, server, job)
    task = server.api.pages(f"/api/v1/jobs/{job}/tasks")[0]
    t.at_least(task["attempt"], 2, "the attempt that did it: one after the pause")


if __name__ == "__main__":
    harness.run(a_broken_engine_leaves_the_work_to_others, a_job_that_nobody_can_do_waits_and_goes_on,
                it_is_tried_again_by_itself, timeout=60)
