"""scripts/up and scripts/down as a person uses them."""
# run_tests: timeout=900 alone

import json
import os
import re
import signal
import subprocess
import time

import harness

UP, DOWN = str(harness.ROOT / "scripts" / "up"), str(harness.ROOT / "scripts" / "down")


def only_with_the_release_build(t):
    if harness.BIN != harness.ROOT / "build" / "bin":
        t.skip("scripts/up runs the programs of build/bin, which are not the ones under test")


def address_in(text):
    found = re.search(r"(http://127\.0\.0\.1:\d+)/#token=(tg_\S+)", text)
    return (found[1], found[2]) if found else None


def pid_in(path):
    return int(path.read_text().split()[0])


def alive(pid):
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as stat:
            return stat.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def up_plays_until_interrupted(t):
    only_with_the_release_build(t)
    data = t.folder("data")
    up = t.start(UP, "--port", 0, "--data", data, "--workers", 1, "--preset", "selfplay-9x9")
    url, token = harness.wait_for(lambda: address_in(up.log()), 240, "the dashboard's address")
    api = harness.Api(url, token=token)
    t.equal(api.get("/api/v1/whoami").json["role"], "admin", "the role of the token in the address")
    t.equal(harness.Api(url).get("/api/v1/jobs").status, 401, "status without a token")
    t.equal(api.get("/").status, 200, "the dashboard's page")
    jobs = api.pages("/api/v1/jobs")
    t.equal([job["name"] for job in jobs], ["9x9 self-play"], "jobs")
    harness.wait_for(lambda: api.pages("/api/v1/games"), 240, "the first game")
    harness.wait_for(lambda: re.search(r"[1-9]\d*/1000 games", up.log()), 120, "the progress")
    pids = [pid_in(data / "up" / name) for name in ("server.pid", "worker.pid")]
    t.true(all(alive(pid) for pid in pids), "both run")
    os.killpg(up.pid, signal.SIGINT)  # as a terminal does
    t.equal(up.wait(60), 130, "exit code after an interrupt")
    t.equal([alive(pid) for pid in pids], [False, False], "what still runs")
    t.equal(sorted(path.name for path in (data / "up").glob("*.pid")), [], "pid files left")
    with t.subtest("run again, it goes on with the same job"):
        again = t.start(UP, "--port", 0, "--data", data, "--workers", 1, "--preset", "selfplay-9x9", "--detach")
        t.equal(again.wait(120), 0, "exit code of --detach")
        url, token = address_in(again.log())
        ids = [job["id"] for job in harness.Api(url, token=token).pages("/api/v1/jobs")]
        t.equal(ids, [job["id"] for job in jobs], "jobs")
        third = t.run(UP, "--port", 0, "--data", data, "--detach", timeout=120, check=0)
        t.contains(third.stdout.decode(), "Already running", "what a third one says")
        agent = pid_in(data / "up" / "worker.pid")
        os.kill(agent, signal.SIGKILL)
        harness.wait_for(lambda: not alive(agent), 30, "the agent's end")
        fourth = t.run(UP, "--port", 0, "--data", data, "--detach", timeout=120, check=0)
        t.contains(fourth.stdout.decode(), "starting it again", "what one says that finds no agent")
        t.true(alive(pid_in(data / "up" / "worker.pid")), "the new agent runs")
        down = t.run(DOWN, "--data", data, timeout=60, check=0)
        t.contains(down.stdout.decode(), "Stopping the coordinator", "what down says")
        t.equal(harness.wait_for(lambda: _refused(url), 10, "the port to be closed"), True, "stopped")
    with t.subtest("down with nothing to stop is fine"):
        done = t.run(DOWN, "--data", data, timeout=60, check=0)
        t.contains(done.stdout.decode(), "Nothing", "what it says")


def up_joins_what_runs(t):
    only_with_the_release_build(t)
    data = t.folder("data")
    first = t.run(UP, "--port", 0, "--data", data, "--workers", 2, "--preset", "none", "--detach", timeout=120, check=0)
    t.cleanup(t.run, DOWN, "--data", data)
    url, token = address_in(first.stdout.decode())
    api = harness.Api(url, token=token)
    pids = [pid_in(data / "up" / name) for name in ("server.pid", "worker.pid")]
    with t.subtest("it says how to get in, and what cannot take effect any more"):
        said = t.run(UP, "--port", 1, "--data", data, "--workers", 1, "--detach", timeout=120, check=0).stdout.decode()
        t.equal(address_in(said), (url, token), "the address")
        t.contains(said, f"export TENGEN_SERVER={url}", "what the client needs")
        t.contains(said, "--port 1 has no effect", "about the port")
        t.contains(said, "--workers 1 has no effect: the agent runs already, with 2", "about the workers")
        t.equal(api.pages("/api/v1/jobs"), [], "jobs without --preset")
    with t.subtest("it submits the preset and follows it; Ctrl-C stops nothing"):
        joined = t.start(UP, "--port", 0, "--data", data, "--preset", "selfplay-9x9")
        harness.wait_for(lambda: re.search(r"\d+/1000 games", joined.log()), 120, "the progress")
        t.true("no effect" not in joined.log(), "any free port, and no number of workers, are what there is")
        os.killpg(joined.pid, signal.SIGINT)
        t.equal(joined.wait(30), 130, "exit code after an interrupt")
        t.equal([alive(pid) for pid in pids], [True, True], "what still runs")
        t.equal([job["name"] for job in api.pages("/api/v1/jobs")], ["9x9 self-play"], "jobs")
    with t.subtest("an agent that ended is started again as it was"):
        os.kill(pids[1], signal.SIGKILL)
        harness.wait_for(lambda: not alive(pids[1]), 30, "the agent's end")
        t.run(UP, "--data", data, "--detach", timeout=120, check=0)
        place = harness.pathlib.Path(f"/proc/{pid_in(data / 'up' / 'worker.pid')}/cmdline")
        # At first it is still the shell that starts it.
        command = harness.wait_for(lambda: "--runners" in (found := place.read_text().split("\0")) and found, 30, "its command")
        t.equal(command[command.index("--runners"):][:2], ["--runners", "2"], "its runners")


def the_default_is_a_policy(t):
    only_with_the_release_build(t)
    data = t.folder("data")
    up = t.start(UP, "--port", 0, "--data", data, "--workers", 1, "--detach")
    t.equal(up.wait(120), 0, "exit code of --detach")
    t.cleanup(t.run, DOWN, "--data", data)
    url, token = address_in(up.log())
    names = ["9x9 policy: expert games by GNU Go", "9x9 policy: learn from them", "9x9 policy: puct against GNU Go"]
    t.equal(sorted(job["name"] for job in harness.Api(url, token=token).pages("/api/v1/jobs")), names, "jobs")


def _refused(url):
    try:
        harness.Api(url).get("/healthz")
        return False
    except ConnectionRefusedError:
        return True


def down_kills_no_stranger(t):
    data = t.folder("data")
    (data / "up").mkdir()
    stranger = subprocess.Popen(["sleep", "1000"])
    t.cleanup(stranger.kill)
    boot = harness.pathlib.Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    # A pid file from before: the pid is in use again, by a process that started at another time.
    (data / "up" / "server.pid").write_text(f"{stranger.pid} 1 {boot} the coordinator\n")
    t.run(DOWN, "--data", data, timeout=60, check=0)
    time.sleep(0.5)
    t.equal(stranger.poll(), None, "the stranger's exit code")


def wrong_arguments_are_refused(t):
    for arguments, word in ((["--prot", "1"], "--prot"), (["--port", "x"], "--port"), (["--workers", "0"], "--workers"),
                            (["--preset", "nonesuch"], "selfplay-9x9"), (["--port"], "--port"),
                            (["--preset", "selfplay-9x9", "--dataset", "x"], "--dataset"),
                            (["--dataset", "nonesuch.tar"], "nonesuch.tar")):
        with t.subtest(" ".join(arguments)):
            done = t.run(UP, *arguments, timeout=60, check=1)
            t.contains(done.stderr.decode(), word, "the message")
    for arguments, word in ((["--data"], "--data"), (["--dat", "x"], "--dat")):
        with t.subtest("down " + " ".join(arguments)):
            done = t.run(DOWN, *arguments, timeout=60, check=1)
            t.contains(done.stderr.decode(), word, "the message")
    with t.subtest("a folder that cannot be"):
        (t.top / "file").write_text("")
        done = t.run(UP, "--data", t.top / "file" / "data", timeout=60, check=1)
        t.contains(done.stderr.decode(), "Not a directory (name another folder with --data)", "the message")
        t.equal(done.stdout, b"", "nothing was built first")


DEBIANS_NODE = 18  # of Debian 12


def takes_debians_node(wanted):
    """Whether a range of node's versions (">=18", "^16.14.0 || >=18.0.0") has Debian's."""
    for choice in wanted.split("||"):
        found = re.match(r"\s*(>=|\^|~)?\s*(\d+)", choice)
        if not found or (int(found[2]) <= DEBIANS_NODE if found[1] == ">=" else int(found[2]) == DEBIANS_NODE):
            return True
    return False


def npm_packages_run_on_debians_node(t):
    t.equal([takes_debians_node(x) for x in (">=18", ">=20", "^20 || >=18.1", "^16 || ^20", "*")],
            [True, False, True, False, True], "ranges")
    for lock in ("web", "tests/web"):
        packages = json.loads((harness.ROOT / lock / "package-lock.json").read_text())["packages"]
        too_new = [name for name, package in packages.items()
                   if not takes_debians_node(package.get("engines", {}).get("node", "*"))]
        t.equal(too_new, [], f"packages of {lock} that want another node than {DEBIANS_NODE}")


if __name__ == "__main__":
    harness.run(npm_packages_run_on_debians_node, down_kills_no_stranger, wrong_arguments_are_refused,
                up_plays_until_interrupted, up_joins_what_runs, the_default_is_a_policy, timeout=700)
