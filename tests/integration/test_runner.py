"""tengen-run as a process: a task of each kind, frames back; resuming, draining, stopping; engines that misbehave."""

import json
import os
import pathlib
import re
import signal
import subprocess
import threading

import harness

GNUGO = "/usr/games/gnugo"

# A GTP engine in shell. PLAY is what it does at a genmove ($count counts them, $id is the command's); with KNOWN=true
# it takes seeds, and shows the last one in its final score.
ENGINE = r"""#!/bin/sh
count=0
while read id command rest; do
    answer=""
    case $command in
    genmove) count=$((count + 1)); PLAY;;
    final_score) answer="W+99$seed";;
    known_command) [ "$rest" = set_random_seed ] && answer=$KNOWN;;
    set_random_seed) seed=$rest;;
    esac
    printf '=%s %s\n\n' "$id" "$answer"
done
"""


def engine(t, name, play):
    path = t.folder("engine") / name
    path.write_text(ENGINE.replace("PLAY", play))
    path.chmod(0o755)
    return path


def task(kind, units, config=None, **more):
    return {"kind": kind, "id": 1, "job": 1, "units": units, "units_done": 0, "seed": 7, "index": 0,
            "config": {"board": 5, **(config or {})}, **more}


def uct(playouts=30, **more):
    return {"type": "uct", "playouts": playouts, **more}


def run_file(t, document, *flags, check=0, timeout=60):
    """Runs a task from a file: [(frame header, body)]."""
    path = t.folder("task") / "task.json"
    path.write_text(json.dumps(document))
    done = t.tool("tengen-run", path, *flags, check=check, timeout=timeout)
    return harness.decode_frames(done.stdout)


def of_type(frames, kind):
    return [(header, body) for header, body in frames if header["type"] == kind]


def chunks(frames):
    """The chunks' headers, in order, after a look at what must hold of any run."""
    found = of_type(frames, "chunk")
    for number, (header, _) in enumerate(found):
        assert header["seq"] == number, header
    return [harness.chunk_header(body) for _, body in found]


def moves_of(sgf):
    return re.findall(r";([BW]\[[a-z]*\])", sgf)


class Runner:
    """tengen-run - with its pipes in our hands."""

    def __init__(self, t, document):
        self.process = subprocess.Popen([harness.program("tengen-run"), "-"], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        t.cleanup(self._end)
        self.output, self.errors = bytearray(), bytearray()
        self.threads = [threading.Thread(target=self._read, args=a, daemon=True)
                        for a in ((self.process.stdout, self.output), (self.process.stderr, self.errors))]
        for thread in self.threads:
            thread.start()
        self.send({"type": "task", "task": document})

    def _end(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()

    @staticmethod
    def _read(stream, into):
        while True:
            got = os.read(stream.fileno(), 65536)
            if not got:
                return
            into.extend(got)

    def send(self, header):
        self.process.stdin.write(harness.encode_frame(header))
        self.process.stdin.flush()

    def frames(self):
        """What has come so far, whole frames only."""
        data = bytes(self.output)
        at = 0
        while at + 4 <= len(data) and at + 4 + int.from_bytes(data[at:at + 4], "little") <= len(data):
            at += 4 + int.from_bytes(data[at:at + 4], "little")
        return harness.decode_frames(data[:at])

    def wait_for(self, kind, count=1):
        return harness.wait_for(lambda: of_type(self.frames(), kind)[count - 1:], 30, f"{count} {kind} frames")

    def wait(self):
        code = self.process.wait(timeout=30 * harness.SLOW)
        for thread in self.threads:
            thread.join()
        return code


def selfplay_sends_a_chunk_for_each_game(t):
    frames = run_file(t, task("selfplay", 4, {"games": 4, "player": uct(), "random_moves": 3}))
    t.equal(frames[0][0], {"type": "hello", "protocol": 1, "pid": frames[0][0]["pid"]}, "the first frame")
    t.equal(frames[-1][0], {"type": "done", "units": 4}, "the last frame")
    found = chunks(frames)
    t.equal(len(found), 4, "chunks")
    for chunk in found:
        game, counters = chunk["game"], chunk["counters"]
        t.equal((chunk["type"], chunk["units"], counters["games"]), ("game", 1, 1), "what the chunk counts for")
        t.equal(counters["black_wins"] + counters["white_wins"] + counters["draws"], 1, f"one result: {counters}")
        t.equal((game["board"], game["komi"], game["rules"], game["black"], game["white"]),
                (5, 7, "chinese", "uct 30", "uct 30"), "the row")
        t.true(re.fullmatch(r"[BW]\+(\d+(\.5)?|Resign)|0", game["result"]), f"result {game['result']}")
        t.equal(game["reason"] in ("score", "resign", "max moves"), True, f"reason {game['reason']}")
        t.equal(len(moves_of(game["sgf"])), game["moves"], "moves in the SGF")
        t.contains(game["sgf"], f"RE[{game['result']}]", "the SGF")
    t.equal(len({chunk["game"]["sgf"] for chunk in found}), 4, "different games")
    live = [header for header, _ in of_type(frames, "progress") if header["live"]]
    t.true(live, "a live game")
    t.equal(sorted(live[0]["live"][0]), ["black", "board", "game", "komi", "moves", "white"], "members of a live game")


def games_are_legal_and_counted_right(t):
    """Our own sgf-check replays what selfplay wrote; where it was counted, the count is the board's."""
    found = chunks(run_file(t, task("selfplay", 8, {"games": 8, "player": uct(resign=0), "board": 6})))
    folder = t.folder("sgf")
    for number, chunk in enumerate(found):
        (folder / f"{number}.sgf").write_text(chunk["game"]["sgf"])
    report = json.loads(t.tool("tengen-run", "sgf-check", folder, check=0).stdout)
    t.equal((report["games"], report["legal"], report["scored"], report["score_matches"]), (8, 8, 8, 8), "sgf-check")


def a_later_attempt_does_only_the_rest_and_the_same_games(t):
    config = {"games": 12, "games_per_task": 4, "player": uct()}
    whole = chunks(run_file(t, task("selfplay", 4, config, index=1)))
    rest = chunks(run_file(t, task("selfplay", 4, config, index=1, units_done=3, attempt=2)))
    other = chunks(run_file(t, task("selfplay", 4, config, index=2)))
    t.equal([moves_of(c["game"]["sgf"]) for c in rest], [moves_of(whole[3]["game"]["sgf"])], "the last game again")
    openings = {tuple(moves_of(c["game"]["sgf"])[:4]) for c in whole + other}
    t.at_least(len(openings), 7, "different openings in two tasks")
    done = run_file(t, task("selfplay", 4, config, units_done=4))
    t.equal(done[-1][0], {"type": "done", "units": 0}, "nothing left to do")


def a_drain_finishes_the_game(t):
    runner = Runner(t, task("selfplay", 1000, {"games": 1000, "player": uct(300)}))
    runner.wait_for("chunk")
    runner.send({"type": "stop", "mode": "drain"})
    t.equal(runner.wait(), 0, "exit code")
    frames = runner.frames()
    t.equal(frames[-1][0], {"type": "done", "units": len(chunks(frames))}, "the last frame")
    t.at_most(len(chunks(frames)), 900, "games")


def a_drain_finishes_the_pair(t):
    folder = t.folder("marker")
    waiter = engine(t, "waiter", f"touch {folder}/here; until [ -e {folder}/go ]; do sleep 0.02; done; answer=pass")
    config = {"games": 1000, "games_per_task": 1000, "a": uct(), "b": {"type": "engine", "engine": "waiter"}}
    runner = Runner(t, task("match", 1000, config, engines={"waiter": str(waiter)}))
    harness.wait_for((folder / "here").exists, 30, "the first game")
    runner.send({"type": "stop", "mode": "drain"})
    (folder / "go").touch()
    t.equal(runner.wait(), 0, "exit code")
    t.equal(len(chunks(runner.frames())), 2, "games")
    t.equal(runner.frames()[-1][0], {"type": "done", "units": 2}, "the last frame")


def a_stop_ends_at_once(t):
    runner = Runner(t, task("selfplay", 4, {"games": 4, "player": uct(10000000), "board": 19}))
    runner.wait_for("hello")
    runner.send({"type": "stop", "mode": "now"})
    t.equal(runner.wait(), 1, "exit code")
    t.equal(runner.frames()[-1][0]["code"], "cancelled", "the last frame's code")


def an_agent_that_is_gone_ends_it(t):
    runner = Runner(t, task("selfplay", 4, {"games": 4, "player": uct(10000000), "board": 19}))
    runner.wait_for("hello")
    runner.process.stdin.close()
    t.equal(runner.wait(), 1, "exit code")


def a_kill_takes_the_engine_along(t):
    marker = t.folder("marker") / "pid"
    thinker = engine(t, "thinker", f"echo $$ > {marker}; exec sleep 600")
    runner = Runner(t, task("teacher", 1, {"games": 1, "engine": "thinker"}, engines={"thinker": str(thinker)}))
    pid = int(harness.wait_for(lambda: marker.exists() and marker.read_text().strip(), 30, "the engine"))
    runner.process.kill()
    runner.wait()

    def gone():
        try:
            state = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            return True
        return state == "Z"

    harness.wait_for(gone, 10, f"the end of engine {pid}")


def a_terminated_runner_says_so(t):
    runner = Runner(t, task("selfplay", 4, {"games": 4, "player": uct(10000000), "board": 19}))
    runner.wait_for("hello")
    runner.process.send_signal(signal.SIGTERM)
    t.equal(runner.wait(), 1, "exit code")
    t.equal(runner.frames()[-1][0]["code"], "cancelled", "the last frame's code")


def engines_that_misbehave_lose(t):
    cases = {
        "dies": ("exit 7", "engine died", "Forfeit", "exit status 7"),
        "killed": ("kill -9 $$", "engine died", "Forfeit", "signal 9"),
        "chatter": ("echo nice weather; echo", "protocol error", "Forfeit", "nice weather"),
        "illegal": ("answer=${first:-c3}; first=c3", "illegal move", "Forfeit", "C3"),
        "nowhere": ("answer=z99", "illegal move", "Forfeit", "z99"),
        "floods": ("printf '=%s ' $id; yes", "protocol error", "Forfeit", "longer than"),
        "babbles": ("yes", "protocol error", "Forfeit", "not GTP"),
        "refuses": ("printf '?%s cannot\\n\\n' $id; continue", "protocol error", "Forfeit", "cannot"),
    }
    for name, (play, reason, way, note) in cases.items():
        with t.subtest(name):
            path = engine(t, name, play)
            document = task("match", 4, {"games": 4, "games_per_task": 4, "a": uct(), "opening_moves": 0,
                                         "b": {"type": "engine", "engine": name}}, engines={name: str(path)})
            frames = run_file(t, document)
            t.equal(frames[-1][0], {"type": "done", "units": 4}, "the task went on")
            for number, chunk in enumerate(chunks(frames)):
                game = chunk["game"]
                if name == "illegal" and game["reason"] != reason:
                    t.equal(game["result"].startswith("BW"[number % 2]), True, f"who won {game}")
                    continue
                t.equal((game["reason"], game["result"]), (reason, f"{'BW'[number % 2]}+{way}"), f"the end of {game}")
                t.contains(game["note"], note, "the note")
                t.equal((chunk["counters"]["wins_a"], chunk["counters"]["forfeited"]), (1, 1), "counters")


def an_engine_that_hangs_loses_on_time(t):
    path = engine(t, "hangs", "sleep 600")
    document = task("match", 2, {"games": 2, "games_per_task": 2, "a": uct(), "opening_moves": 0,
                                 "b": {"type": "engine", "engine": "hangs", "seconds": 0.1}},
                    engines={"hangs": str(path)})
    for number, chunk in enumerate(chunks(run_file(t, document))):
        t.equal((chunk["game"]["reason"], chunk["game"]["result"]), ("timeout", f"{'BW'[number]}+Time"), "the end")


def another_count_is_noted(t):
    path = engine(t, "passes", "answer=pass")
    document = task("match", 2, {"games": 2, "games_per_task": 2, "a": uct(resign=0), "komi": 0.5,
                                 "b": {"type": "engine", "engine": "passes"}}, engines={"passes": str(path)})
    for chunk in chunks(run_file(t, document)):
        t.equal(chunk["game"]["reason"], "score", f"the end of {chunk['game']}")
        t.equal(chunk["game"]["note"], "passes says W+99", "the note")


def an_engine_that_takes_seeds_is_given_one_a_game(t):
    path = engine(t, "seeded", "answer=pass")
    document = task("teacher", 3, {"games": 3, "engine": "seeded", "komi": 0.5}, engines={"seeded": f"KNOWN=true {path}"})
    notes = [[chunk["game"]["note"] for chunk in chunks(run_file(t, document))] for _ in range(2)]
    t.equal(notes[0], notes[1], "the seeds of two runs of one task")
    t.equal(len(set(notes[0])), 3, f"different seeds in {notes[0]}")
    t.true(all(re.fullmatch(r"seeded says W\+99\d+", note) for note in notes[0]), f"seeds that are numbers: {notes[0]}")


def an_engine_that_never_works_fails_the_task(t):
    document = task("teacher", 2, {"games": 2, "engine": "absent"}, engines={"absent": "/nonexistent/engine"})
    last = run_file(t, document, check=1)[-1][0]
    t.equal((last["type"], last["code"], last["field"]), ("fail", "unavailable", "engine:absent"), "the last frame")
    t.contains(last["detail"], "absent does not work on this machine", "the detail")
    t.contains(last["detail"], "--engine absent=COMMAND", "the remedy")
    last = run_file(t, task("teacher", 2, {"games": 2, "engine": "unknown"}), check=1)[-1][0]
    t.equal((last["code"], last["field"]), ("unavailable", "engine:unknown"), "the last frame")
    refuses = t.folder("engine") / "refuses"
    refuses.write_text("#!/bin/sh\nwhile read id command; do printf '?%s too large\\n\\n' $id; done\n")
    refuses.chmod(0o755)
    last = run_file(t, task("teacher", 2, {"games": 2, "engine": "refuses"}, engines={"refuses": str(refuses)}),
                    check=1)[-1][0]
    t.equal(last["code"], "engine_failed", "the code of one that works but refuses this game")


def bad_tasks_name_the_field(t):
    cases = [
        (task("selfplay", 1, {"games": 0}), "out_of_range", "config.games"),
        (task("selfplay", 1, {"gmaes": 1}), "unknown_option", "config.gmaes"),
        (task("nonsense", 1), "unknown_kind", "kind"),
        (task("selfplay", 1, {}, units_done=2), "out_of_range", "units_done"),
        (task("selfplay", -1), "out_of_range", "units"),
        (task("selfplay", 1, {}, engines=[]), "wrong_type", "engines"),
        ({"units": 1}, "missing_field", "kind"),
    ]
    for document, code, field in cases:
        last = run_file(t, document, check=1)[-1][0]
        t.equal((last["type"], last["code"], last["field"]), ("fail", code, field), f"answer to {document}")


def wrong_usage_is_exit_code_2(t):
    for arguments in ([], ["no-such-file.json"], ["--nonsense"], ["a", "b"], ["bench"], ["bench", "nothing"],
                      ["bench", "search-uct", "--board", "99"], ["kinds", "nothing"], ["gtp", "--komi", "0.3"]):
        done = t.tool("tengen-run", *arguments, check=2)
        t.true(done.stderr, f"a message for {arguments}")
        t.equal(done.stdout, b"", f"stdout for {arguments}")
    garbage = t.tool("tengen-run", "-", input=b"GET / HTTP/1.1\r\n\r\n" * 10, check=1)
    t.equal(harness.decode_frames(garbage.stdout)[-1][0]["type"], "fail", "answer to garbage")


def commands_for_people(t):
    t.contains(t.tool("tengen-run", "--help", check=0).stdout, b"sgf-check", "--help")
    t.true(re.fullmatch(rb"tengen-run \d+\.\d+\.\d+\n", t.tool("tengen-run", "--version", check=0).stdout), "--version")
    kinds = json.loads(t.tool("tengen-run", "kinds", "--json", check=0).stdout)["kinds"]
    t.equal([kind["name"] for kind in kinds][:3], ["selfplay", "teacher", "match"], "kinds")
    names = re.findall(r"^  (\S+)", t.tool("tengen-run", "bench", "--help", check=0).stdout.decode(), re.M)
    t.at_least(len(names), 7, "benchmarks")
    for name in names:
        usage, *flags = t.tool("tengen-run", "bench", name, "--help", check=0).stdout.decode().splitlines()
        t.contains(usage, f"bench {name} ", "what the help is of")
        t.equal([flag for flag in flags if "default " not in flag and "--json" not in flag], [], f"{name}: flags without a default")
    figures = json.loads(t.tool("tengen-run", "bench", "search-uct", "--seconds", "0.1", "--json", check=0).stdout)
    t.at_least(figures["playouts_per_s"], 1, "playouts_per_s")
    done = t.tool("tengen-run", "bench", "playouts", "--seconds", "0.1", "--json", check=0)
    t.at_least(json.loads(done.stdout)["playouts_per_s"], 1, "playouts_per_s")
    path = t.folder("task") / "task.json"
    path.write_text(json.dumps(task("selfplay", 1, {"player": uct()})))
    text = t.tool("tengen-run", path, "--json", check=0).stdout.decode()
    t.equal([json.loads(line)["type"] for line in text.splitlines() if "progress" not in line],
            ["hello", "chunk", "done"], "a line of JSON for each frame")


def gtp_speaks_nothing_but_gtp(t):
    lines = b"1 boardsize 5\n2 genmove b\n3 genmove w\n# nothing\n4 final_score\n5 quit\n6 name\n"
    done = t.tool("tengen-run", "gtp", "--playouts", "50", "--random-seed", "3", input=lines, check=0)
    t.true(re.fullmatch(rb"=1\n\n=2 [A-E][1-5]\n\n=3 [A-E][1-5]\n\n=4 [BW]\+\d+(\.5)?\n\n=5\n\n", done.stdout),
           f"answers {done.stdout!r}")


def gtp_against_itself(t):
    """Our client and our engine, as two processes."""
    command = f"{harness.program('tengen-run')} gtp --playouts 20 --random-seed 3"
    document = task("match", 4, {"games": 4, "games_per_task": 4, "a": uct(resign=0), "komi": 0.5,
                                 "b": {"type": "engine", "engine": "tengen"}}, engines={"tengen": command})
    found = chunks(run_file(t, document))
    t.equal(len(found), 4, "games")
    for chunk in found:
        t.equal(chunk["game"]["reason"] in ("score", "resign"), True, f"the end of {chunk['game']}")
        t.equal(chunk["game"]["note"], "", "the note")


def gnugo_plays(t):
    if not os.access(GNUGO, os.X_OK):
        t.skip(f"{GNUGO} is not installed")
    command = f"{GNUGO} --mode gtp --chinese-rules --capture-all-dead --level 1"
    match = task("match", 2, {"games": 2, "games_per_task": 2, "a": uct(200), "board": 7,
                              "b": {"type": "engine", "engine": "gnugo"}}, engines={"gnugo": command})
    teacher = task("teacher", 2, {"games": 2, "board": 7}, engines={"gnugo": command})
    for document in (match, teacher):
        frames = run_file(t, document)
        found = chunks(frames)
        t.equal(len(found), 2, "games")
        for chunk in found:
            t.equal(chunk["game"]["reason"] in ("score", "resign"), True, f"the end of {chunk['game']}")
            t.equal(chunk["game"]["note"], "", "the note: nothing to disagree about")
        t.equal(of_type(run_file(t, document), "chunk"), of_type(frames, "chunk"), "the same task is the same games")


if __name__ == "__main__":
    harness.run(selfplay_sends_a_chunk_for_each_game, games_are_legal_and_counted_right,
                a_later_attempt_does_only_the_rest_and_the_same_games, a_drain_finishes_the_game,
                a_drain_finishes_the_pair, a_stop_ends_at_once, an_agent_that_is_gone_ends_it,
                a_kill_takes_the_engine_along, a_terminated_runner_says_so, engines_that_misbehave_lose,
                an_engine_that_hangs_loses_on_time, another_count_is_noted,
                an_engine_that_takes_seeds_is_given_one_a_game, an_engine_that_never_works_fails_the_task,
                bad_tasks_name_the_field, wrong_usage_is_exit_code_2, commands_for_people,
                gtp_speaks_nothing_but_gtp, gtp_against_itself, gnugo_plays, timeout=120)
