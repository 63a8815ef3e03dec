#!/usr/bin/env python3
"""The agent against a coordinator and runners that misbehave on demand (fake_coordinator.py, fake_runner.py)."""

import hashlib
import json
import os
import pathlib
import random
import re
import signal
import struct
import time

import fake_coordinator
import harness
from fake_coordinator import FakeCoordinator

RUNNER = pathlib.Path(__file__).resolve().parent / "fake_runner.py"
SEED = int(os.environ.get("TENGEN_TEST_SEED") or time.time())
LONG = 60
NEVER = "/nonexistent"


def coordinator(t, **more):
    fake = FakeCoordinator(**more)
    t.cleanup(fake.stop)
    return fake


def agent(t, fake, **flags):
    return t.worker(fake.url, **{"runner": RUNNER, "log_level": "debug", **flags})


def all_done(fake):
    return all(task["state"] == "done" for task in fake.tasks.values())


def wait_all_done(fake, timeout=LONG):
    fake.wait(lambda: all_done(fake), timeout, f"all tasks, have { {n: k['state'] for n, k in fake.tasks.items()} }")


def every_unit_once(t, fake):
    for number, task in fake.tasks.items():
        t.equal(sorted(fake.units_of(number)), list(range(task["units"])), f"stored units of task {number}")


def logged(worker, text, timeout=20):
    harness.wait_for(lambda: text in worker.log(), timeout, f"the log to say '{text}'")


# ---------------------------------------------------------------------------------------------------------------------


def tasks_are_leased_run_and_delivered(t):
    fake = coordinator(t, token="tg_" + "a" * 43)
    for _ in range(5):
        fake.add_task(units=3, config={"note": True}, inputs={"plain": [1, "x"]})
    worker = agent(t, fake, token=fake.token, runners=2, engine=["pachi=/opt/pachi -e uct"], name="the machine")
    wait_all_done(fake)
    every_unit_once(t, fake)
    registered = fake.registrations[0]
    t.equal((registered["name"], registered["runners"]), ("the machine", 2), "name and runners")
    t.contains(registered["capabilities"], "kind:match", "capabilities")
    t.contains(registered["capabilities"], "engine:pachi", "capabilities")
    t.equal([n for n in ("os", "cpu", "isa", "cores", "memory_bytes", "version") if not registered["machine"].get(n)],
            [], "what is missing of the machine")
    for number, task in fake.tasks.items():
        t.equal(task["done"]["chunks"], 3, f"chunks of task {number}")
    with t.subtest("metrics and lines of the runner arrive once"):
        metrics = [(n, m["step"]) for _, n, body in fake.beats for m in body["metrics"]]
        t.equal(sorted(set(metrics)), [(n, step) for n in fake.tasks for step in range(3)], "metrics")
        notes = [line["text"] for _, n, body in fake.beats for line in body["log"] if "inputs" in line["text"]]
        t.equal(len(set(map(str, notes))) > 0 and json.loads(notes[0])["inputs"], {"plain": [1, "x"]}, "inputs")
        t.equal(json.loads(notes[0])["engines"]["pachi"], "/opt/pachi -e uct", "engines")
    with t.subtest("it ends when asked, and the spool is empty"):
        t.equal(worker.stop(), 0, "exit code")
        t.equal(sorted(os.listdir(worker.data / "spool")), [], "the spool")
    with t.subtest("the same folder is the same worker"):
        again = agent(t, fake, token=fake.token, data=worker.data)
        harness.wait_for(lambda: len(fake.registrations) == 2, 20, "the second registration")
        t.equal(fake.registrations[1]["instance"], registered["instance"], "instance")
        t.equal(len(fake.workers), 1, "workers known")
        with t.subtest("two agents cannot share a folder"):
            second = agent(t, fake, token=fake.token, data=worker.data)
            t.equal(second.wait(), 1, "exit code")
            t.contains(second.log(), "another tengen-worker", "its words")
        t.equal(again.stop(), 0, "exit code")


def a_killed_agent_loses_and_doubles_nothing(t):
    chance = random.Random(SEED)
    t.note(f"TENGEN_TEST_SEED={SEED}")
    fake = coordinator(t)
    for _ in range(8):
        fake.add_task(units=25, config={"seconds": 0.04})
    fake.fault = lambda r: fake_coordinator.lose_answer() if chance.random() < 0.1 else None
    worker = agent(t, fake, runners=2)
    kills = 0
    while kills < 10:
        if all_done(fake):
            fake.add_task(units=25, config={"seconds": 0.04})
        time.sleep(chance.uniform(0.15, 0.9))
        worker.kill()
        kills += 1
        worker = agent(t, fake, data=worker.data, runners=2)
    wait_all_done(fake)
    fake.fault = lambda r: None  # of an end whose answer was lost the spool keeps the files until it is told again
    harness.wait_for(lambda: not os.listdir(worker.data / "spool"), LONG, "the last ends to be told")
    logged(worker, "registered at")  # before that a signal ends it the plain way
    t.equal(worker.stop(), 0, "exit code")
    t.note(f"{kills} kills, {sum(task['attempt'] for task in fake.tasks.values())} attempts")
    every_unit_once(t, fake)
    t.equal(fake.failures, [], "failures")
    t.equal(sorted(os.listdir(worker.data / "spool")), [], "the spool")


def a_restarted_agent_takes_its_lease_back(t):
    fake = coordinator(t)
    go = t.folder("go") / "on"
    number = fake.add_task(units=6, config={"seconds": 0.1, "note": True, "hold_from": 4, "until": str(go)})
    worker = agent(t, fake)
    fake.wait(lambda: len(fake.tasks[number]["chunks"]) >= 2, LONG, "two chunks")
    runners = worker.runner_pids()
    worker.kill()
    harness.wait_for(lambda: not any(alive(pid) for pid in runners), 10, "the runner to die with its agent")
    go.touch()
    worker = agent(t, fake, data=worker.data)
    wait_all_done(fake)
    t.equal(fake.tasks[number]["attempt"], 1, "attempts")
    every_unit_once(t, fake)
    t.contains(worker.log(), "resumed after a restart", "the log")


def a_runner_that_does_not_listen_dies_with_its_agent(t):
    fake = coordinator(t)
    number = fake.add_task(units=2, config={"behaviour": "hang", "after": 1})
    worker = agent(t, fake)
    fake.wait(lambda: fake.tasks[number]["chunks"], LONG, "a chunk")
    runners = worker.runner_pids()
    t.equal(len(runners), 1, "runners")
    worker.kill()
    harness.wait_for(lambda: not alive(runners[0]), 10, "the runner to die")


def alive(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def work_goes_on_while_the_coordinator_is_away(t):
    fake = coordinator(t)
    go = t.folder("go") / "on"
    number = fake.add_task(units=6, config={"hold_from": 1, "until": str(go)})
    worker = agent(t, fake)
    fake.wait(lambda: fake.tasks[number]["chunks"], LONG, "a chunk")
    fake.stop()
    go.touch()
    logged(worker, "coordinator: waiting, no connection")
    harness.wait_for(lambda: len(list((worker.data / "spool").glob("*.chunk"))) >= 5, 20, "the spool to fill")
    t.true(worker.running(), "the agent lives")
    fake.start()
    wait_all_done(fake)
    every_unit_once(t, fake)
    t.contains(worker.log(), "coordinator: goes on after", "the log")
    # Not one a try: refused, cut off at either end of a call that was under way, refused.
    t.at_most(worker.log().count("coordinator: waiting, no connection"), 4, "lines about one absence")


def retry_after_is_obeyed(t):
    fake = coordinator(t)
    refused = {}

    def fault(request):
        call = request.path.rpartition("/")[2]
        if call in ("workers", "lease", "chunks", "done") and call not in refused:
            refused[call] = request.time
            return fake_coordinator.status(503, retry_after=3)
        return None

    fake.fault = fault
    fake.add_task(units=1)
    worker = agent(t, fake)
    wait_all_done(fake)
    for call, first in refused.items():
        later = [r.time for r in fake.requests if r.path.endswith("/" + call) and r.time > first]
        t.at_least(min(later) - first, 3, f"seconds until {call} was tried again")
    t.equal(sorted(refused), ["chunks", "done", "lease", "workers"], "calls that were refused once")
    every_unit_once(t, fake)
    t.equal(worker.stop(), 0, "exit code")


def a_lost_lease_is_dropped_with_a_word(t):
    fake = coordinator(t)
    number = fake.add_task(units=30, config={"seconds": 0.1, "hold_from": 10, "until": NEVER})
    worker = agent(t, fake)
    fake.wait(lambda: fake.tasks[number]["chunks"], LONG, "a chunk")
    with fake.lock:
        fake.tasks[number]["worker"] = 99  # somebody else has it now
    logged(worker, "the lease is lost")
    harness.wait_for(lambda: not worker.runner_pids(), 20, "the runner to be stopped")
    t.contains(worker.log(), "dropping", "the log")
    harness.wait_for(lambda: not os.listdir(worker.data / "spool"), 20, "the spool to be emptied")
    with t.subtest("and the agent works on"):
        other = fake.add_task(units=2)
        fake.wait(lambda: fake.tasks[other]["state"] == "done", LONG, "the next task")
    t.equal(worker.stop(), 0, "exit code")


def a_lease_lost_while_an_upload_hangs_is_dropped_too(t):
    fake = coordinator(t)
    fake.fault = lambda r: fake_coordinator.slow(600) if r.path.endswith("/chunks") else None
    number = fake.add_task(units=2)
    worker = agent(t, fake)
    fake.wait(lambda: any(r.path.endswith("/chunks") for r in fake.requests), LONG, "an upload")
    fake.lapse(number)
    with fake.lock:
        fake.tasks[number]["state"] = "done"  # by somebody else
    logged(worker, "the lease is lost")
    harness.wait_for(lambda: not os.listdir(worker.data / "spool"), 20, "the spool to be emptied")
    t.equal(worker.stop(), 0, "exit code")


def a_slow_upload_does_not_hold_up_beats(t):
    fake = coordinator(t)
    uploads = []

    def fault(request):
        if not request.path.endswith("/chunks"):
            return None
        uploads.append(len(fake.beats))
        return fake_coordinator.hold_until(lambda: len(fake.beats) >= uploads[0] + 3)

    fake.fault = fault
    fake.add_task(units=2, config={"bytes": 300000})
    worker = agent(t, fake)
    # The first upload has its answer after three beats, so all are done only if beats get past it.
    wait_all_done(fake)
    every_unit_once(t, fake)
    t.equal(worker.stop(), 0, "exit code")


def torn_uploads_are_sent_again(t):
    fake = coordinator(t)
    seen = []

    def fault(request):
        if request.path.endswith("/chunks"):
            seen.append(request.query["seq"])
            if seen.count(request.query["seq"]) == 1:
                return fake_coordinator.cut_body_after(1000)
        return None

    fake.fault = fault
    fake.add_task(units=3, config={"bytes": 200000})
    agent(t, fake)
    wait_all_done(fake)
    every_unit_once(t, fake)
    t.equal([seen.count(str(n)) for n in range(3)], [2, 2, 2], "tries of each chunk")


def runners_that_misbehave_cost_one_task(t):
    fake = coordinator(t)
    patience = round(2 * harness.SLOW)  # a runner of ours takes a while to begin on a machine that does much else
    expected = {
        "crash": ("runner_failed", "SIGSEGV"), "hang": ("hang", f"no progress for {patience} s"),
        "garbage": ("runner_failed", "not a frame"), "silent": ("runner_failed", "without a last word"),
        "status": ("runner_failed", "status 7"), "liar": ("runner_failed", "out of order"),
        "damaged": ("runner_failed", "damaged chunk"), "fail": ("engine_failed", "the engine died"),
        "orphan": ("runner_failed", "SIGKILL"), "fat": ("no_memory", "the limit is 200 MiB"),
    }
    tasks = {}
    for behaviour in expected:
        tasks[behaviour] = fake.add_task(
            units=2, hang_s=patience if behaviour == "hang" else 30, memory_bytes=200 << 20,
            config={"behaviour": behaviour, "only_attempt": 1, "after": 0 if behaviour in ("liar", "damaged") else 1})
    worker = agent(t, fake, runners=3)
    wait_all_done(fake)
    for behaviour, (code, words) in expected.items():
        with t.subtest(behaviour):
            fails = fake.tasks[tasks[behaviour]]["fails"]
            t.equal([f["code"] for f in fails], [code], "codes of the failures")
            t.contains(fails[0]["detail"], words, "its words")
            t.equal(fails[0].get("unable"), "job" if behaviour == "fat" else None, "what the worker is unable to do")
    every_unit_once(t, fake)
    t.true(worker.running(), "the agent lives")
    t.equal(worker.stop(), 0, "exit code")


def failures_of_the_machine_are_told_apart(t):
    fake = coordinator(t)
    expected = {
        "exit early": ("unavailable", "kind:selfplay", "status 9 before its first word"),
        "text first": ("unavailable", "kind:selfplay", "not a frame before its first word"),
        "killed early": ("runner_failed", None, "SIGKILL"),
        "no engine": ("unavailable", "engine:gnugo", "gnugo is not there"),
        "full": ("storage_full", "job", "no space"),
    }
    tasks = {behaviour: fake.add_task(units=1, config={"behaviour": behaviour, "only_attempt": 1})
             for behaviour in expected}
    agent(t, fake)
    wait_all_done(fake)
    for behaviour, (code, unable, words) in expected.items():
        with t.subtest(behaviour):
            fails = fake.tasks[tasks[behaviour]]["fails"]
            t.equal([(f["code"], f.get("unable")) for f in fails], [(code, unable)], "the failures")
            t.contains(fails[0]["detail"], words, "its words")
    every_unit_once(t, fake)


def memory_is_counted_with_the_engines(t):
    fake = coordinator(t)
    # An engine in a process group of its own, as ours are. The runner's own fork must not be counted twice.
    number = fake.add_task(units=3, memory_bytes=200 << 20, hang_s=30,
                           config={"behaviour": "fat engine", "only_attempt": 1, "after": 1})
    twice = fake.add_task(units=2, memory_bytes=200 << 20, config={"behaviour": "fork", "after": 1})
    worker = agent(t, fake, runners=2)
    wait_all_done(fake)
    t.equal([f["code"] for f in fake.tasks[number]["fails"]], ["no_memory"], "codes of the failures")
    t.contains(fake.tasks[number]["fails"][0]["detail"], "the runner and its engines used", "its words")
    t.equal(fake.tasks[twice]["fails"], [], "failures of the one that forks")
    every_unit_once(t, fake)
    t.equal(worker.stop(), 0, "exit code")


def a_clock_that_is_wrong_by_hours_does_no_harm(t):
    """What the coordinator is told carries its own time."""
    for ahead_s in (3 * 3600, -2 * 3600, 0):
        with t.subtest(f"by {ahead_s} s"):
            fake = coordinator(t)
            fake.clock_ahead_s = ahead_s
            begin = time.time()
            fake.add_task(units=1, config={"note": True})
            worker = agent(t, fake)
            wait_all_done(fake)
            times = [line["time_ms"] / 1000 - ahead_s for _, _, body in fake.beats for line in body["log"]]
            times += [body["sequence"] / 1000 - ahead_s for _, _, body in fake.beats]
            t.true(times, "times that it was told")
            for told in times:
                t.true(begin - 15 < told < time.time() + 15, f"{told - begin} s after the begin: about now")
            side = {1: "behind", -1: "ahead of"}.get((ahead_s > 0) - (ahead_s < 0))
            t.equal(f"s {side} the coordinator's" in worker.log(), side is not None, "a warning of it")
            t.equal(worker.stop(), 0, "exit code")


def a_flood_is_bounded(t):
    fake = coordinator(t)
    number = fake.add_task(units=2, config={"behaviour": "flood", "after": 1})
    worker = agent(t, fake)
    wait_all_done(fake)
    lines = [line["text"] for _, n, body in fake.beats for line in body["log"] if n == number]
    t.at_most(len([x for x in lines if "noise" in x]), 1000, "lines of noise that were passed on")
    t.true([x for x in lines if "lines of the runner were dropped" in x], "a line that says what was dropped")
    every_unit_once(t, fake)
    t.true(worker.running(), "the agent lives")


def the_first_signal_finishes_the_unit(t):
    fake = coordinator(t)
    number = fake.add_task(units=50, config={"seconds": 0.3})
    worker = agent(t, fake)
    fake.wait(lambda: fake.tasks[number]["chunks"], LONG, "a chunk")
    t.equal(worker.stop(), 0, "exit code")
    stored = fake.units_of(number)
    t.equal(stored, list(range(len(stored))), "units stored")
    t.equal(fake.tasks[number]["state"], "pending", "the task, put back with the rest")
    t.equal(fake.failures, [], "failures")
    t.equal(os.listdir(worker.data / "spool"), [], "the spool")


def what_an_unknown_task_leaves_is_set_aside(t):
    fake = coordinator(t)
    number = fake.add_task(units=3, config={"seconds": 0.05})
    fake.fault = lambda r: fake_coordinator.status(503) if r.path.endswith("/chunks") else None
    worker = agent(t, fake)
    harness.wait_for(lambda: len(list((worker.data / "spool").glob("*.chunk"))) == 3, LONG, "chunks in the spool")
    with fake.lock:
        forgotten = fake.tasks.pop(number)  # the coordinator lost its database
        fake.fault = lambda r: None
    refused = worker.data / "spool" / "refused"
    logged(worker, "keeping in refused/", timeout=LONG)
    harness.wait_for(lambda: sorted(os.listdir(worker.data / "spool")) == ["refused"], LONG, "the spool to be empty otherwise")
    numbers = [unit for path in refused.iterdir() for unit in fake_coordinator.units_in(path.read_bytes())]
    t.equal(sorted(numbers), list(range(forgotten["units"])), "units set aside")
    t.equal(worker.stop(), 0, "exit code")


def stop_now(worker):
    worker.signal(signal.SIGINT)
    logged(worker, "finishing what has begun")  # two signals at once would be one
    worker.signal(signal.SIGINT)
    return worker.wait()


def it_says_that_it_leaves(t):
    fake = coordinator(t)
    number = fake.add_task(units=3, config={"seconds": 30, "behaviour": "deaf"})
    worker = agent(t, fake)
    fake.wait(lambda: fake.tasks[number]["state"] == "leased", LONG, "the lease")
    logged(worker, f"task {number} attempt 1: runner")
    with t.subtest("at once, it names what it keeps for the next start"):
        t.equal(stop_now(worker), 0, "exit code")
        t.equal(fake.goodbyes, [[{"task": number, "attempt": 1}]], "what it keeps, in each goodbye")
    fake.cancel(number)
    with t.subtest("after a drain it keeps nothing"):
        worker = agent(t, fake, data=worker.data)
        logged(worker, "work: waiting", timeout=LONG)
        t.equal(worker.stop(), 0, "exit code")
        t.equal(fake.goodbyes[1:], [[]], "what it keeps, in each goodbye")
    with t.subtest("a coordinator that does not answer does not keep it"):
        fake.fault = lambda r: fake_coordinator.slow(60) if r.path.endswith("/lease") else None
        fake.drain = True  # so that no call is under way when the signal comes
        worker = agent(t, fake, data=worker.data)
        logged(worker, "registered at", timeout=LONG)
        t.equal(worker.stop(), 0, "exit code")


def the_environment_names_the_coordinator(t):
    fake = coordinator(t, token="tg_" + "d" * 43)
    token = t.folder("token") / "token"
    token.write_text(fake.token + "\n")
    arguments = [harness.program("tengen-worker"), "--data", t.folder("worker"), "--runner", RUNNER]
    worker = t.start(*arguments, env={"TENGEN_SERVER": fake.url, "TENGEN_TOKEN_FILE": str(token)})
    logged(worker, f"registered at {fake.url}")
    t.equal(worker.stop(), 0, "exit code")
    wrong = t.start(*arguments, "--server", fake.url, env={"TENGEN_SERVER": "http://127.0.0.1:9", "TENGEN_TOKEN": fake.token})
    logged(wrong, f"registered at {fake.url}")
    t.equal(wrong.stop(), 0, "exit code")


def the_second_signal_stops_at_once(t):
    fake = coordinator(t)
    number = fake.add_task(units=3, config={"seconds": 0.05, "behaviour": "deaf"})
    slow = fake.add_task(units=3, config={"seconds": 30, "behaviour": "deaf"})
    worker = agent(t, fake, runners=2)
    fake.wait(lambda: fake.tasks[number]["state"] == "done", LONG, "the quick task")
    logged(worker, f"task {number} attempt 1: done")
    t.equal(stop_now(worker), 0, "exit code")
    t.equal(fake.tasks[slow]["state"], "leased", "the other task")
    t.equal(len(list((worker.data / "spool").glob("*.task"))), 1, "leases kept for the next start")


def the_coordinator_drains_and_stops(t):
    fake = coordinator(t)
    number = fake.add_task(units=50, config={"seconds": 0.1, "hold_from": 10, "until": NEVER})
    worker = agent(t, fake, runners=2)
    fake.wait(lambda: fake.tasks[number]["chunks"], LONG, "a chunk")
    with t.subtest("stop kills the runner"):
        fake.actions[number] = "stop"
        fake.wait(lambda: fake.tasks[number]["fails"], LONG, "the end of the stopped task")
        t.equal(fake.tasks[number]["fails"][0]["code"], "cancelled", "its code")
        fake.actions.clear()
    with t.subtest("drain ends the agent, which says how to undo it"):
        with fake.lock:
            fake.drain = True
            fake.lock.notify_all()
        fake.actions.update({n: "drain" for n in fake.tasks})
        t.equal(worker.wait(), 0, "exit code")
        t.contains(worker.log(), "`tengen worker enable 1` undoes it", "the log")
        t.equal(os.listdir(worker.data / "spool"), [], "the spool")


def a_task_stopped_while_the_disk_is_full_ends_all_the_same(t):
    fake = coordinator(t)
    number = fake.add_task(units=3)
    spool = t.folder("agent") / "spool"
    blocked = [spool / f"{number}-1-00000000-1-1.chunk.tmp", spool / f"{number}-1.end.tmp"]
    for path in blocked:
        path.mkdir(parents=True)  # in the way of the file that would be written
    worker = agent(t, fake, data=spool.parent)
    logged(worker, "nothing is lost, trying again")
    fake.actions[number] = "stop"
    logged(worker, "the coordinator stopped the task")
    logged(worker, f"{number}-1.end: creating the file failed")  # the chunk waits no longer: the end does
    for path in blocked:
        path.rmdir()
    fake.wait(lambda: fake.tasks[number]["fails"], LONG, "the end of the stopped task")
    t.equal(fake.tasks[number]["fails"][0]["code"], "cancelled", "its code")
    fake.actions.clear()
    wait_all_done(fake)
    every_unit_once(t, fake)
    t.equal(worker.stop(), 0, "exit code")


def inputs_are_fetched_resumed_and_kept(t):
    fake = coordinator(t)
    data = random.Random(1).randbytes(3 << 20)
    digest = hashlib.sha256(data).hexdigest()
    fake.files[digest] = data
    ranges = []

    def fault(request):
        if "/checkpoints/" in request.path:
            ranges.append(request.headers.get("Range"))
            if len(ranges) <= 3:
                return fake_coordinator.cut_body_after(900000)
        return None

    fake.fault = fault
    config = {"note": True}
    fake.add_task(units=1, config=config, inputs={"policy": {"sha256": digest}, "list": [{"sha256": digest}]})
    worker = agent(t, fake)
    wait_all_done(fake)
    notes = [json.loads(x["text"]) for _, _, body in fake.beats for x in body["log"] if "inputs" in x["text"]]
    path = notes[0]["inputs"]["policy"]
    t.equal(notes[0]["inputs"]["list"], [path], "the path in a list")
    t.equal(hashlib.sha256(pathlib.Path(path).read_bytes()).hexdigest(), digest, "what lies there")
    t.equal(len(ranges), 4, "requests for the file")
    t.equal(ranges[0], None, "the first Range")
    t.true(all(r and r != "bytes=0-" for r in ranges[1:]), f"the later ones, {ranges}")
    with t.subtest("a second task uses the file that is here"):
        fake.add_task(units=1, inputs={"policy": {"sha256": digest}})
        wait_all_done(fake)
        t.equal(len(ranges), 4, "requests for the file")
    with t.subtest("what is wrong with an input is said of its name, not of a path here"):
        fake.streams[7] = [(1, harness.encode_chunk({"type": "game", "units": 1, "n": 1}, b"x"))]
        number = fake.add_task(units=1, config={"behaviour": "bad input"},
                               inputs={"policy": {"sha256": digest}, "games": {"stream": {"job": 7, "until": 1}}})
        fake.wait(lambda: fake.tasks[number]["fails"], LONG, "the failure")
        failure = fake.tasks[number]["fails"][0]
        t.equal(failure["field"].split("/")[0], "inputs.policy", "the field")
        t.equal(failure["detail"], f"is torn, unlike inputs.games (chunks of job 7): end (sha256 {digest})", "the sentence")
    with t.subtest("a wrong file fails the task"):
        bad = "0" * 64
        fake.files[bad] = b"something else"
        number = fake.add_task(units=1, inputs={"policy": {"sha256": bad}})
        fake.wait(lambda: fake.tasks[number]["fails"], LONG, "the failure")
        t.equal(fake.tasks[number]["fails"][0]["code"], "digest_mismatch", "its code")
    with t.subtest("a file that is nowhere fails the task"):
        fake.wait(lambda: fake.tasks[number]["state"] == "failed", LONG, "the last failure")
        missing = fake.add_task(units=1, inputs={"policy": {"sha256": "1" * 64}})
        fake.wait(lambda: fake.tasks[missing]["fails"], LONG, "the failure")
        t.equal(fake.tasks[missing]["fails"][0]["code"], "not_found", "its code")
    t.equal(worker.stop(), 0, "exit code")


def a_stream_becomes_a_file(t):
    """Of ten chunks nine belong to the input; the second page breaks off, and the agent is killed before the third."""
    fake = coordinator(t)
    chunks = [(10 * n, harness.encode_chunk({"type": "game", "units": 1, "n": n}, bytes([n, 0]) * 25000)) for n in range(1, 11)]
    fake.streams[7] = chunks
    pages = []

    def fault(request):
        if "/streams/" in request.path:
            pages.append(int(request.query["after"]))
            if pages == [0, 30]:
                return fake_coordinator.cut_body_after(70000)
            if pages == [0, 30, 30, 60]:
                return fake_coordinator.status(503, retry_after=100)
        return None

    fake.fault = fault
    digest = hashlib.sha256(b"state").hexdigest()
    fake.files[digest] = b"state"
    fake.add_task(units=1, config={"note": True}, inputs={"games": {"stream": {"job": 7, "until": 90}}},
                  resume={"checkpoint": {"sha256": digest}, "state": {"sha256": digest}})
    worker = agent(t, fake)
    harness.wait_for(lambda: len(pages) == 4, LONG, "the third page to be asked for")
    worker.kill()
    worker = agent(t, fake, data=worker.data)
    wait_all_done(fake)
    notes = [json.loads(x["text"]) for _, _, body in fake.beats for x in body["log"] if "inputs" in x["text"]]
    got = pathlib.Path(notes[0]["inputs"]["games"]).read_bytes()
    t.true(got == b"".join(struct.pack("<QI", cursor, len(chunk)) + chunk for cursor, chunk in chunks[:9]), "the file")
    t.equal(pages, [0, 30, 30, 60, 60], "pages asked for")
    t.equal(pathlib.Path(notes[0]["resume"]["state"]).read_bytes(), b"state", "what it goes on from")
    t.equal(notes[0]["resume"]["checkpoint"], notes[0]["resume"]["state"], "one file for one digest")
    with t.subtest("a damaged chunk fails the task"):
        fake.streams[8] = [(1, chunks[0][1][:-1] + b"?")]
        number = fake.add_task(units=1, inputs={"games": {"stream": {"job": 8, "until": 1}}})
        fake.wait(lambda: fake.tasks[number]["fails"], LONG, "the failure")
        t.equal(fake.tasks[number]["fails"][0]["code"], "corrupt", "its code")
    t.equal(worker.stop(), 0, "exit code")


def the_cache_forgets_what_was_used_longest_ago(t):
    fake = coordinator(t)
    digests = []
    for seed in range(3):
        data = random.Random(seed).randbytes(500 << 10)
        digests.append(hashlib.sha256(data).hexdigest())
        fake.files[digests[-1]] = data
    worker = agent(t, fake, cache_mib=1)  # room for two

    def use(which):
        fake.add_task(units=1, inputs={"policy": {"sha256": digests[which]}})
        wait_all_done(fake)
        logged(worker, f"task {len(fake.tasks)} attempt 1: done")
        return sorted(digests.index(n) for n in os.listdir(worker.data / "cache") if n in digests)

    t.equal((use(0), use(1), use(0)), ([0], [0, 1], [0, 1]), "files after each use")
    harness.wait_for(lambda: use(2) == [0, 2], 20, "the file used longest ago to go", every=0.2)
    t.equal(fake.count("checkpoints"), 3, "downloads")
    t.equal(worker.stop(), 0, "exit code")


def a_download_goes_on_after_a_restart(t):
    fake = coordinator(t)
    data = random.Random(2).randbytes(2 << 20)
    digest = hashlib.sha256(data).hexdigest()
    fake.files[digest] = data
    ranges = []

    def fault(request):
        if "/checkpoints/" in request.path:
            ranges.append((request.headers.get("Range"), request.headers.get("If-Range")))
            if len(ranges) == 1:
                return fake_coordinator.cut_body_after(1500000)
            if len(ranges) == 2 and not again:
                return fake_coordinator.status(503, retry_after=100)
        return None

    again = []
    fake.fault = fault
    fake.add_task(units=1, inputs={"policy": {"sha256": digest}})
    worker = agent(t, fake)
    harness.wait_for(lambda: len(ranges) == 2, 20, "the second request")
    worker.kill()
    again.append(True)
    worker = agent(t, fake, data=worker.data)
    wait_all_done(fake)
    wanted, guard = ranges[-1]
    t.equal(guard, f'"{digest}"', "If-Range")
    t.at_least(int(wanted[6:-1]), 500000, "the byte from which it went on")


def it_works_for_the_real_coordinator_over_tls(t):
    cert, key = t.certificate()
    server = t.server(tls_cert=cert, tls_key=key, tls_ca=cert)
    admin = server.api_as(server.create_token("admin"))
    token = server.create_token("worker", api=admin)
    job = admin.expect(201, "POST", "/api/v1/jobs", json={
        "kind": "selfplay", "config": {"games": 4, "games_per_task": 2, "board": 5,
                                       "player": {"type": "uct", "playouts": 50}}})["id"]
    with t.subtest("a certificate that nobody vouches for is refused"):
        stranger = t.worker(server, token=token)
        logged(stranger, "coordinator: waiting, no connection")
        t.contains(stranger.log(), "certificate", "its words")
        t.equal(stranger.stop(), 0, "exit code")
    with t.subtest("with --ca-file it works"):
        worker = t.worker(server, token=token, ca_file=cert)
        harness.wait_for(lambda: admin.get(f"/api/v1/jobs/{job}").json["state"] == "succeeded", LONG, "the job")
        t.equal(admin.get(f"/api/v1/jobs/{job}").json["totals"]["games"], 4, "games")
        t.equal(worker.stop(), 0, "exit code")


def what_belongs_to_one_coordinator_is_never_given_to_another(t):
    def submit(server, board, count):
        return server.api.expect(201, "POST", "/api/v1/jobs", json={"kind": "teacher", "config": {
            "games": count, "games_per_task": count, "board": board, "engine": "slow"}})["id"]

    def ended(server, job):
        return server.api.get(f"/api/v1/jobs/{job}").json["state"] == "succeeded"

    def games(server, job):
        return server.api.get(f"/api/v1/jobs/{job}/games?limit=500").json["items"]

    first = t.server()
    engine, go = t.slow_engine()
    job = submit(first, 5, 40)
    worker = t.worker(first, log_level="debug", engine=engine)
    harness.wait_for(lambda: games(first, job), LONG, "a first game")
    first.kill()
    folders = list((worker.data / "spool").iterdir())
    t.equal(len(folders), 1, "folders in the spool")
    harness.wait_for(lambda: len(list(folders[0].glob("*.chunk"))) >= 3, LONG, "chunks to wait in the spool")
    other = t.server(port=first.port)
    other_job = submit(other, 7, 3)
    with t.subtest("the other gets its own games only, from the same agent"):
        harness.wait_for(lambda: ended(other, other_job), LONG, "its job")
        t.equal([game["board"] for game in games(other, other_job)], [7, 7, 7], "boards")
    with t.subtest("nothing of the first is deleted, and the log says where it is"):
        t.at_least(len(list(folders[0].glob("*.chunk"))), 3, "chunks kept")
        t.contains(worker.log(), f"{folders[0]} keeps", "the log")
    other.kill()
    go.touch()
    again = t.server(port=first.port, data=first.data)
    with t.subtest("the first is back: each of its games arrives once"):
        harness.wait_for(lambda: ended(again, job), LONG, "its job")
        t.equal([game["board"] for game in games(again, job)], [5] * 40, "boards")
        t.equal(worker.stop(), 0, "exit code")
        t.equal(os.listdir(folders[0]), [], "the first one's folder")


def a_refused_token_is_an_error_with_a_remedy(t):
    fake = coordinator(t, token="tg_" + "b" * 43)
    wrong = "tg_" + "c" * 43
    worker = agent(t, fake, token=wrong)
    logged(worker, "--token-file")
    t.true(wrong not in worker.log(), "the token is not in the log")
    t.true(wrong.encode() not in pathlib.Path(f"/proc/{worker.pid}/cmdline").read_bytes(), "nor in the list of processes")
    t.equal(worker.stop(), 0, "exit code")


def a_token_too_long_is_refused_and_not_cut(t):
    file = t.folder("token") / "token"
    file.write_text("x" * 300 + "\n")
    for field, arguments, env in [
        ("--token-file", ["--token-file", file], {}),
        ("TENGEN_TOKEN", [], {"TENGEN_TOKEN": "x" * 300}),
    ]:
        with t.subtest(field):
            done = t.tool("tengen-worker", "--data", t.folder("worker"), "--runner", RUNNER, *arguments, env=env, timeout=10,
                          check=1)
            t.contains(done.stderr.decode(), f"{field}: ", "the error names what to mend")
            t.contains(done.stderr.decode(), "too long for a token", "its words")


def an_idle_agent_is_small_and_quiet(t):
    fake = coordinator(t)
    fake.add_task(units=1)
    worker = agent(t, fake, log_level="info")
    wait_all_done(fake)
    logged(worker, "work: waiting, no job is queued", timeout=60)
    status = pathlib.Path(f"/proc/{worker.pid}/status").read_text()
    resident = int(status.split("VmRSS:")[1].split()[0])
    t.note(f"{resident} KiB resident")
    if not re.search("lib[at]san", pathlib.Path(f"/proc/{worker.pid}/maps").read_text()):
        t.at_most(resident, 20480, "KiB resident")
    before = ticks(worker.pid)
    time.sleep(3)
    used = ticks(worker.pid) - before
    t.note(f"{used} hundredths of a second of CPU in 3 s")
    t.at_most(used, 3, "hundredths of a second of CPU in 3 s")


def ticks(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


if __name__ == "__main__":
    harness.run(
        tasks_are_leased_run_and_delivered,
        a_killed_agent_loses_and_doubles_nothing,
        a_restarted_agent_takes_its_lease_back,
        a_runner_that_does_not_listen_dies_with_its_agent,
        work_goes_on_while_the_coordinator_is_away,
        retry_after_is_obeyed,
        a_lost_lease_is_dropped_with_a_word,
        a_lease_lost_while_an_upload_hangs_is_dropped_too,
        a_slow_upload_does_not_hold_up_beats,
        torn_uploads_are_sent_again,
        runners_that_misbehave_cost_one_task,
        failures_of_the_machine_are_told_apart,
        memory_is_counted_with_the_engines,
        what_an_unknown_task_leaves_is_set_aside,
        it_says_that_it_leaves,
        the_environment_names_the_coordinator,
        a_clock_that_is_wrong_by_hours_does_no_harm,
        a_flood_is_bounded,
        the_first_signal_finishes_the_unit,
        the_second_signal_stops_at_once,
        the_coordinator_drains_and_stops,
        a_task_stopped_while_the_disk_is_full_ends_all_the_same,
        inputs_are_fetched_resumed_and_kept,
        a_stream_becomes_a_file,
        the_cache_forgets_what_was_used_longest_ago,
        a_download_goes_on_after_a_restart,
        it_works_for_the_real_coordinator_over_tls,
        what_belongs_to_one_coordinator_is_never_given_to_another,
        a_refused_token_is_an_error_with_a_remedy,
        a_token_too_long_is_refused_and_not_cut,
        an_idle_agent_is_small_and_quiet,
        timeout=90,
    )
