"""The program tengen against a server that is only a script: what it asks, what it prints, how it exits."""

import http.server
import json
import os
import pty
import re
import select
import struct
import fcntl
import subprocess
import termios
import threading

import harness

JOB = {
    "id": 12, "kind": "selfplay", "name": "first games", "priority": 0, "state": "running", "reason": "",
    "config": {"games": 1000, "komi": 6.5}, "inputs": {}, "after": [], "unit": "games",
    "units": {"total": 1000, "done": 740, "leased": 16}, "tasks": {"pending": 30, "leased": 2, "done": 92, "failed": 0},
    "totals": {"games": 740, "black_wins": 390}, "score": None, "progress": 0.74, "rate_per_s": 1.25, "eta_s": 208,
    "created_ms": 1795470000000, "started_ms": 1795470001000, "ended_ms": None, "error": None,
}  # fmt: skip


def job(**changes):
    return {**JOB, **changes}


class Script(http.server.ThreadingHTTPServer):
    """Answers by a function (method, path, body, headers) -> (status, body) or (status, body, headers); remembers
    what was asked. A body that is no bytes is sent as JSON; status 0 closes the connection without an answer."""

    def __init__(self, t, answer):
        super().__init__(("127.0.0.1", 0), Handler)
        self.answer, self.asked = answer, []
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        threading.Thread(target=self.serve_forever, daemon=True).start()
        t.cleanup(self.server_close)
        t.cleanup(self.shutdown)


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def handle_any(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.server.asked.append((self.command, self.path, body, self.headers))
        status, answer, *more = self.server.answer(self.command, self.path, body, self.headers)
        if status == 0:
            self.close_connection = True
            self.connection.close()
            return
        data = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
        self.send_response(status)
        for name, value in (more[0] if more else {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    do_GET = do_PUT = do_POST = do_DELETE = handle_any


def tengen(t, server, *arguments, check=0, input=None, env=None):
    """Runs tengen; (stdout, stderr) as text."""
    clean = {"TENGEN_SERVER": server.url if server else "", "TENGEN_TOKEN": "", "TENGEN_TOKEN_FILE": "", "TZ": "UTC"}
    done = t.tool("tengen", *arguments, check=check, input=input, env={**clean, **(env or {})})
    return done.stdout.decode(), done.stderr.decode()


def always(status, body):
    return lambda *_: (status, body)


def usage_errors_exit_with_2(t):
    long = t.folder("in") / "token"
    long.write_text("x" * 300 + "\n")
    for what, arguments, words in [
        ("no command", [], ""),
        ("an unknown command", ["jbos"], "did you mean jobs"),
        ("an unknown flag", ["jobs", "--sate", "x"], "did you mean --state"),
        ("an id that is none", ["job", "x"], "an id is a whole number"),
        ("a digest that is none", ["checkpoint", "fetch", "deadbeef"], "64 hex digits"),
        ("a word too few", ["job"], "usage: tengen job ID"),
        ("a word too many", ["jobs", "3"], "usage: tengen jobs"),
        ("an address that is none", ["jobs", "--server", "ftp://x"], "server"),
        ("a token file that is not there", ["jobs", "--token-file", "/nowhere"], "--token-file"),
        ("a token file with a line too long", ["jobs", "--token-file", long], "is too long for a token"),
        ("a job file that is not there", ["submit", "/nowhere"], "/nowhere"),
        ("an unknown kind", ["kinds", "selfpaly"], "did you mean selfplay"),
        ("a kind like no other", ["kinds", "nope"], "there are selfplay, "),
        ("an unknown action", ["token", "make"], "usage: tengen token create"),
    ]:
        with t.subtest(what):
            out, err = tengen(t, None, *arguments, check=2)
            t.contains(err or out, words, "the error")


def usage_errors_are_json_when_asked(t):
    for arguments, code, field in [
        (["job", "x", "--json"], "invalid", ""),
        (["jobs", "--json", "--sate", "x"], "unknown_option", "--sate"),
        (["jobs", "--limit", "-1", "--json"], "out_of_range", "--limit"),
        (["submit", "/nowhere", "--json"], "not_found", "/nowhere"),
        (["kinds", "nope", "--json"], "unknown_kind", "kind"),
    ]:
        with t.subtest(" ".join(arguments)):
            out, err = tengen(t, None, *arguments, check=2)
            said = json.loads(err)
            t.equal((out, said["code"], said["field"]), ("", code, field), "the error")


def no_connection_exits_with_3(t):
    out, err = tengen(t, None, "jobs", "--server", "http://127.0.0.1:1", check=3)
    t.equal(out, "", "stdout")
    t.contains(err, "is the server running", "the hint")
    _, err = tengen(t, None, "jobs", "--server", "http://127.0.0.1:1", "--json", check=3)
    t.equal(json.loads(err)["code"], "unreachable", "code")


def a_refusal_exits_with_1_and_is_told(t):
    document = {"type": "about:blank", "title": "Out of range", "status": 400, "code": "out_of_range",
                "field": "config.games", "detail": "must be 1 to 10\u001b[31m, is 0"}  # fmt: skip
    server = Script(t, always(400, document))
    _, err = tengen(t, server, "submit", "-", input=b'{"kind":"selfplay"}', check=1)
    t.equal(err, "tengen: config.games: must be 1 to 10?[31m, is 0 (out_of_range)\n", "stderr")
    _, err = tengen(t, server, "jobs", "--json", check=1)
    t.equal(json.loads(err)["field"], "config.games", "field")
    _, err = tengen(t, Script(t, always(502, b"<html>")), "jobs", check=1)
    t.contains(err, "502", "an answer that is no problem document")
    _, err = tengen(t, Script(t, always(200, b"<html>")), "jobs", check=1)
    t.contains(err, "is this Tengen?", "a page instead of JSON")


def submit_sends_the_document(t):
    server = Script(t, always(201, job(state="queued")))
    path = t.folder("in") / "job.json"
    path.write_text('{"kind": "selfplay", "config": {"games": 10}}')
    out, _ = tengen(t, server, "submit", path, "--name", "mine", "--priority", "-3")
    method, where, body, headers = server.asked[0]
    t.equal((method, where), ("POST", "/api/v1/jobs"), "the call")
    t.equal(json.loads(body), {"kind": "selfplay", "config": {"games": 10}, "name": "mine", "priority": -3}, "the body")
    t.equal(headers["Content-Type"], "application/json", "the type")
    t.true(re.fullmatch("[0-9a-f]{32}", headers["Idempotency-Key"]), "a key of its own")
    t.equal(out, "job 12  selfplay  first games  queued\n", "stdout")
    _, err = tengen(t, server, "submit", "-", input=b'{"kind": 1,\n "kind": 2}', check=2)
    t.contains(err, "line 2", "where the document is wrong")


def submit_is_sent_again_with_the_same_key(t):
    server = Script(t, lambda *_: (0, b"") if len(server.asked) < 3 else (201, job()))
    tengen(t, server, "submit", "-", "--json", input=b'{"kind":"selfplay"}')
    keys = [headers["Idempotency-Key"] for _, _, _, headers in server.asked]
    t.equal(len(keys), 3, "tries")
    t.equal(len(set(keys)), 1, "keys")


def an_action_is_not_sent_again(t):
    server = Script(t, always(0, b""))
    tengen(t, server, "cancel", "12", check=3)
    t.equal([asked[:2] for asked in server.asked], [("POST", "/api/v1/jobs/12/cancel")], "calls")


def tokens_come_from_flag_file_or_environment(t):
    server = Script(t, always(200, {"role": "admin", "name": "me", "version": "1"}))
    path = t.folder("in") / "token"
    path.write_text("  tg_file \n more")
    for arguments, env, expected in [
        ([], {}, None),
        (["--token", "tg_flag"], {"TENGEN_TOKEN": "tg_env"}, "Bearer tg_flag"),
        (["--token-file", path], {"TENGEN_TOKEN": "tg_env"}, "Bearer tg_file"),
        ([], {"TENGEN_TOKEN": "tg_env"}, "Bearer tg_env"),
        ([], {"TENGEN_TOKEN_FILE": str(path)}, "Bearer tg_file"),
    ]:
        out, _ = tengen(t, server, "whoami", *arguments, env=env)
        t.equal(server.asked[-1][3]["Authorization"], expected, "the header")
        t.contains(out, "admin me", "stdout")


def lists_are_read_page_by_page(t):
    def pages(_method, path, _body, _headers):
        first = int((re.search("after=([0-9]+)", path) or [0, 0])[1])
        count = int(re.search("limit=([0-9]+)", path)[1])
        items = [job(id=i + 1) for i in range(first, min(first + count, 1200))]
        return 200, {"items": items, "next": str(first + count) if first + count < 1200 else None}

    server = Script(t, pages)
    out, _ = tengen(t, server, "jobs", "--limit", "0", "--state", "running", "--json")
    t.equal([item["id"] for item in json.loads(out)["items"]], list(range(1, 1201)), "all of them")
    t.equal(len(server.asked), 3, "calls")
    t.contains(server.asked[0][1], "state=running", "the filter")
    out, _ = tengen(t, server, "jobs", "--limit", "3")
    t.equal(len(out.splitlines()), 4, "a title and three rows")
    t.contains(out.splitlines()[1], "740/1000 games", "a row")
    t.contains(out.splitlines()[1], "3:28", "time left")


def a_job_at_its_end_is_not_called_complete(t):
    server = Script(t, always(200, {"items": [job(progress=0.9996, eta_s=0.3)], "next": None}))
    out, _ = tengen(t, server, "jobs")
    t.contains(out.splitlines()[1], "99 %", "a share that is not the whole")
    t.contains(out.splitlines()[1], "ending", "time left")
    states = [job(progress=0.9996, eta_s=0), job(state="succeeded")]
    server = Script(t, lambda *_: (200, states[min(len(server.asked), 2) - 1]))
    out, _ = tengen(t, server, "watch", "12")
    t.equal(out.splitlines()[0], "job 12 running: 740/1000 games (99.9 %), 1.25/s, ending", "the first line")


def hostile_names_do_not_reach_the_terminal(t):
    server = Script(t, always(200, {"items": [job(name="a\tb\u001b]0;x\u0007\u009b31m\nc")], "next": None}))
    out, _ = tengen(t, server, "jobs")
    t.equal(len(out.splitlines()), 2, "lines")
    t.contains(out, "a?b?]0;x??31m?c", "the name")


def job_shows_everything_a_person_asks(t):
    score = {"wins": 30, "draws": 1, "losses": 9, "games": 40, "elo": 200.4, "elo_low": 80, "elo_high": 350,
             "points": 30.5, "sprt": {"llr": 1.5, "lower": -2.94, "upper": 2.94, "state": "running"}}  # fmt: skip
    server = Script(t, always(200, job(state="queued", reason="no worker offers engine:gnugo", score=score)))
    out, _ = tengen(t, server, "job", "12")
    for words in ["queued: no worker offers engine:gnugo", "740 of 1000 games (74.0 %), 16 in hand", "+30 =1 -9, Elo +200",
                  "80 to +350", "sequential test running", "komi: 6.5", "black_wins: 390", "2026-11-23"]:  # fmt: skip
        t.contains(out, words, "the page of a job")
    out, _ = tengen(t, server, "job", "12", "--json")
    t.equal(json.loads(out)["score"]["elo"], 200.4, "JSON")


def a_score_without_a_finite_elo_shows_its_bound(t):
    for wins, losses, elo, low, high, words in [
        (30, 0, None, 310.4, None, "+30 =0 -0, Elo at least +310 (95 %)\n"),
        (0, 30, None, None, -310.4, "+0 =0 -30, Elo at most -310 (95 %)\n"),
        (29, 1, 585.0, 200.0, None, "+29 =0 -1, Elo +585 (95 %: at least +200)\n"),
    ]:
        score = {"wins": wins, "draws": 0, "losses": losses, "games": 30, "elo": elo, "elo_low": low, "elo_high": high,
                 "points": 1, "sprt": None}  # fmt: skip
        out, _ = tengen(t, Script(t, always(200, job(score=score))), "job", "12")
        t.contains(out, words, "the score")


def retain_sets_what_is_kept(t):
    kept = job(retention={"chunks": 100, "seconds": 90000})
    server = Script(t, always(200, kept))
    out, _ = tengen(t, server, "retain", "12", "--chunks", "100", "--seconds", "90000")
    method, where, body, _ = server.asked[0]
    t.equal((method, where, json.loads(body)),
            ("PUT", "/api/v1/jobs/12/retention", {"chunks": 100, "seconds": 90000}), "the call")
    t.equal(out, "job 12 keeps the newest 100 chunks of the last 1 d 01:00\n", "stdout")
    out, _ = tengen(t, server, "retain", "12", "--json")
    t.equal((json.loads(server.asked[1][2]), json.loads(out)["id"]), ({"chunks": 0, "seconds": 0}, 12), "without flags")
    out, _ = tengen(t, server, "job", "12")
    t.contains(out, "keeps     the newest 100 chunks of the last 1 d 01:00\n", "in the job")
    out, _ = tengen(t, Script(t, always(200, job(retention={"chunks": 0, "seconds": 0}))), "job", "12")
    t.true("keeps" not in out, "nothing to say when all is kept")
    tengen(t, server, "retain", "12", "--chunks", "-1", check=2)


def fates():
    yield "succeeded", 0
    yield "failed", 1
    yield "cancelled", 1


def watch_exits_with_the_fate(t):
    for state, code in fates():
        with t.subtest(state):
            error = {"code": "engine_failed", "detail": "it died"} if state == "failed" else None
            states = [job(), job(state=state, ended_ms=1795470063000, error=error)]
            server = Script(t, lambda *_: (200, states[min(len(server.asked), 2) - 1]))
            out, _ = tengen(t, server, "watch", "12", check=code)
            lines = out.splitlines()
            t.equal(lines[0], "job 12 running: 740/1000 games (74.0 %), 1.25/s, left 3:28", "the first line")
            t.equal(lines[-1], f"job 12 {state} after 1:02" + (": it died" if error else ""), "the last line")
            t.true("\r" not in out and "\x1b" not in out, "plain lines")


def watch_as_json_prints_each_change(t):
    states = [job(), job(), job(state="succeeded")]
    server = Script(t, lambda *_: (200, states[min(len(server.asked), 3) - 1]))
    out, _ = tengen(t, server, "watch", "12", "--json")
    t.equal([json.loads(line)["state"] for line in out.splitlines()], ["running", "succeeded"], "states")


def watch_waits_for_a_server_that_restarts(t):
    answers = [(200, job()), (0, b""), (0, b""), (0, b""), (503, {"code": "shutting_down"}), (200, job(state="succeeded"))]
    server = Script(t, lambda *_: answers[min(len(server.asked), len(answers)) - 1])
    _, err = tengen(t, server, "watch", "12")
    t.equal(err.count("does not answer"), 1, "told once")
    tengen(t, Script(t, always(404, {"code": "not_found", "detail": "no job 12"})), "watch", "12", check=1)


def watch_draws_a_bar_on_a_terminal(t):
    states = [job(name="first \u001bgames"), job(state="succeeded")]
    server = Script(t, lambda *_: (200, states[min(len(server.asked), 2) - 1]))
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 100, 0, 0))
    env = {**os.environ, "TENGEN_SERVER": server.url, "LC_ALL": "C.UTF-8"}
    child = subprocess.Popen([harness.program("tengen"), "watch", "12"], stdout=theirs, stderr=theirs, env=env)
    os.close(theirs)
    got = b""
    while select.select([ours], [], [], 20 * harness.SLOW)[0]:
        try:
            piece = os.read(ours, 4096)
        except OSError:
            break
        if not piece:
            break
        got += piece
    os.close(ours)
    t.equal(child.wait(20 * harness.SLOW), 0, "exit code")
    first = got.decode().split("\x1b[K")[0]
    t.true(first.startswith("\r12 first ?games  ━━"), "the bar")
    t.contains(first, "╌  740/1000 games  74.0 %  1.25/s  left 3:28", "the figures")
    t.true(len(first) <= 100, "it fits the terminal")
    filled, empty = first.count("━"), first.count("╌")
    t.equal(filled, int(0.74 * (filled + empty)), "the filled part")


def log_follows_the_links(t):
    def pages(_method, path, _body, _headers):
        line = {"time_ms": 1795470244123, "task": 3, "attempt": 1, "level": "info", "text": "at " + path[-1]}
        more = {"Link": '</api/v1/jobs/12/log?after=7>; rel="next"'} if "after" not in path else {}
        return 200, (json.dumps(line) + "\n").encode(), more

    out, _ = tengen(t, Script(t, pages), "log", "12")
    t.equal(out, "2026-11-23T21:44:04.123Z info  task 3: at g\n2026-11-23T21:44:04.123Z info  task 3: at 7\n", "lines")


def games_are_listed_and_fetched(t):
    game = {"board": 9, "black": "uct 1000", "white": "gnugo", "result": "B+3.5", "moves": 57, "reason": "score",
            "note": "gnugo says W+1.5"}  # fmt: skip

    def answer(_method, path, _body, _headers):
        if path.endswith(".sgf"):
            return 200, f"(;FF[4] {path})".encode()
        return 200, {"items": [{"id": 8, **game}, {"id": 7, **game}], "next": None}

    server, folder = Script(t, answer), t.folder("out") / "records"
    out, _ = tengen(t, server, "games", "12")
    t.contains(out, "gnugo says W+1.5", "the note")
    out, _ = tengen(t, server, "games", "12", "--sgf", folder)
    t.equal(sorted(path.name for path in folder.iterdir()), ["7.sgf", "8.sgf"], "files")
    t.equal((folder / "7.sgf").read_text(), "(;FF[4] /api/v1/games/7.sgf)", "a record")
    (folder / "7.sgf").unlink()
    out, _ = tengen(t, server, "games", "12", "--sgf", folder, "--json")
    t.equal(json.loads(out), {"games": 2, "fetched": 1, "present": 1}, "again")
    _, err = tengen(t, server, "games", "12", "--sgf", "/proc/nowhere", check=2)
    t.contains(err, "cannot be made", "a folder that cannot be made")


def tokens_are_made_listed_and_revoked(t):
    made = {"id": 4, "role": "worker", "name": "lab", "token": "tg_secret"}
    server = Script(t, lambda method, *_: {
        "POST": (201, made), "DELETE": (204, b""),
        "GET": (200, {"items": [{"id": 4, "role": "worker", "name": "lab", "created_ms": 1795470000000}], "next": None}),
    }[method])  # fmt: skip
    out, err = tengen(t, server, "token", "create", "--role", "worker", "--name", "lab")
    t.equal(out, "tg_secret\n", "the token alone")
    t.contains(err, "shown this once", "the warning")
    t.equal(json.loads(server.asked[0][2]), {"role": "worker", "name": "lab"}, "the body")
    out, _ = tengen(t, server, "token", "list")
    t.contains(out, "lab", "the list")
    tengen(t, server, "token", "revoke", "4")
    t.equal(server.asked[-1][:2], ("DELETE", "/api/v1/tokens/4"), "the call")


def workers_are_listed(t):
    worker = {"id": 1, "name": "lab", "state": "online", "runners": 2, "machine": {"cpu": "Zen 3", "version": "0.1.0"}}
    out, _ = tengen(t, Script(t, always(200, {"items": [worker], "next": None})), "workers")
    t.contains(out, "Zen 3", "the machine")
    out, _ = tengen(t, Script(t, always(200, {"items": [], "next": None})), "workers")
    t.equal(out, "no workers have joined\n", "none")


def workers_are_steered(t):
    server = Script(t, always(200, {"id": 3, "name": "lab", "state": "draining"}))
    for action in ("drain", "enable", "disable"):
        out, _ = tengen(t, server, "worker", action, "3")
        t.equal(out, "worker 3 (lab) is draining\n", "its words")
        t.equal(server.asked[-1][:2], ("POST", f"/api/v1/workers/3/{action}"), "the call")
    out, _ = tengen(t, server, "worker", "drain", "3", "--json")
    t.equal(json.loads(out)["state"], "draining", "as JSON")
    for wrong in (["dran", "3"], ["drain", "lab"], ["drain"]):
        done = t.tool("tengen", "worker", *wrong, "--server", server.url, check=2)
        t.true(done.stderr, " ".join(wrong))
    t.equal(len(server.asked), 4, "calls")


def every_command_has_help(t):
    out, _ = tengen(t, None, "help")
    names = re.findall(r"^  ([a-z]+) ", out, re.M)
    t.true(len(names) >= 18, "commands")
    for name in names:
        out, _ = tengen(t, None, "help", name)
        t.contains(out, f"usage: tengen {name}", name)
    out, _ = tengen(t, None, "jobs", "--help")
    t.contains(out, "--state STATE", "the flags")
    t.equal(out.splitlines()[0], "usage: tengen jobs", "the usage of a command without words")
    out, _ = tengen(t, None, "help", "gtp")
    t.contains(out, "--checkpoint FILE", "the flags of a program that the command starts")
    out, _ = tengen(t, None, "gtp", "--version")
    t.equal(out.split()[0], "tengen", "what plays")
    t.contains(t.tool("tengen", "gtp", "--help", check=0).stdout.decode(), "usage: tengen gtp [options]", "its help")
    wrong = t.tool("tengen", "gtp", "--chekpoint", "x", check=2).stderr.decode()
    t.equal(wrong.splitlines()[0], "tengen gtp: --chekpoint: there is no such flag; did you mean --checkpoint?", "a typing error")


def programs_are_started_from_their_folder(t):
    folder = t.folder("bin")
    copy = folder / "tengen"
    copy.write_bytes(open(harness.program("tengen"), "rb").read())
    copy.chmod(0o755)
    for name in ("tengen-server", "tengen-worker", "tengen-run"):
        (folder / name).write_text(f'#!/bin/sh\necho {name} "$@"\nexit 7\n')
        (folder / name).chmod(0o755)
    for arguments, expected in [
        (["serve", "--port", "0"], "tengen-server --port 0\n"),
        (["work", "--help"], "tengen-worker --help\n"),
        (["gtp", "x y"], "tengen-run gtp x y\n"),
    ]:
        done = t.run(copy, *arguments, check=7)
        t.equal(done.stdout.decode(), expected, " ".join(arguments))
    (folder / "tengen-server").unlink()
    done = t.run(copy, "serve", env={"PATH": "/usr/bin:/bin"}, check=2)
    t.contains(done.stderr.decode(), "tengen-server cannot be started", "the error")


def the_page_of_options_is_up_to_date(t):
    out, _ = tengen(t, None, "kinds", "--markdown")
    page = (harness.ROOT / "docs" / "options.md").read_text()
    t.true(out == page, "docs/options.md is what tengen kinds --markdown prints (write it anew)")
    out, _ = tengen(t, None, "kinds", "selfplay", "--json")
    names = [option["name"] for option in json.loads(out)["options"]]
    for name in names:
        t.contains(page, f"| `{name}` |", "the page")


if __name__ == "__main__":
    harness.run(
        usage_errors_exit_with_2, usage_errors_are_json_when_asked,
        no_connection_exits_with_3,
        a_refusal_exits_with_1_and_is_told,
        submit_sends_the_document,
        submit_is_sent_again_with_the_same_key,
        an_action_is_not_sent_again,
        tokens_come_from_flag_file_or_environment,
        lists_are_read_page_by_page,
        a_job_at_its_end_is_not_called_complete,
        hostile_names_do_not_reach_the_terminal,
        job_shows_everything_a_person_asks,
        a_score_without_a_finite_elo_shows_its_bound, retain_sets_what_is_kept,
        watch_exits_with_the_fate,
        watch_as_json_prints_each_change,
        watch_waits_for_a_server_that_restarts,
        watch_draws_a_bar_on_a_terminal,
        log_follows_the_links,
        games_are_listed_and_fetched,
        tokens_are_made_listed_and_revoked,
        workers_are_listed,
        workers_are_steered,
        every_command_has_help,
        programs_are_started_from_their_folder,
        the_page_of_options_is_up_to_date,
    )
