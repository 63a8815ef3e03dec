#!/usr/bin/env python3
"""scripts/lib/run_tests.py: what it counts as a failure, what it says of one, and that nothing is left running."""

import argparse
import contextlib
import io
import os
import sys

import harness

sys.path.insert(0, str(harness.ROOT / "scripts" / "lib"))
import run_tests  # noqa: E402  pylint: disable=wrong-import-position

TEXT = """TAP version 13
ok 1 - boards are square
not ok 2 - captures are exact
# stones: expected 3, got 2
#   at test_board.py:7
ok 3 - komi is kept # SKIP no komi here
not ok 4 - the page is drawn
  ---
    Error: drawn: expected true, got false
    at drawn (page.mjs:3)
  ...
1..4
"""


def failures_carry_their_why(t):
    result = run_tests.judge(TEXT, 1, False, 60)
    t.equal((result.passed, result.failed, result.skipped), (1, 2, 1), "passed, failed, skipped")
    t.equal(result.reasons, ["captures are exact: stones: expected 3, got 2",
                             "the page is drawn: Error: drawn: expected true, got false"], "reasons")
    t.equal(result.skips, ["no komi here"], "skips")
    shown = run_tests.telling(TEXT)
    t.true("ok 1 - boards are square" not in shown and "# stones: expected 3, got 2" in shown, f"what is shown: {shown}")
    long = run_tests.telling("not ok 1 - x\n" + "# y\n" * 1000 + "# the end\n")
    t.equal((len(long), long[-1]), (run_tests.SHOWN_LINES + 1, "# the end"), "of a long one, the end")


def what_is_no_success_fails(t):
    good = "ok 1 - a\n1..1\n"
    t.equal(run_tests.judge(good, 0, False, 60).failed, 0, "failures of a good one")
    for what, text, code, late, reason in [
            ("an exit code", good, 3, False, "exit code 3 although no line failed"),
            ("a plan that is not kept", "ok 1 - a\n1..2\n", 0, False, "planned 2 result lines, printed 1"),
            ("no plan", "ok 1 - a\n", 0, False, "printed no plan"),
            ("no line", "", 0, False, "printed no result line (exit code 0)"),
            ("a bail out", "ok 1 - a\n1..1\nBail out! no room\n", 0, False, "Bail out! no room"),
            ("time", good, 0, True, "not done within 60 s"),
            ("a point without a why", "not ok 1 - a\n1..1\n", 1, False, "a")]:
        with t.subtest(what):
            t.equal(run_tests.judge(text, code, late, 60).reasons, [reason], "reasons")


def nothing_is_left_running(t):
    folder = t.folder("suite")
    (folder / "test-logs").mkdir()
    options = argparse.Namespace(build=folder, bin=folder, slow=1, quick=True)
    script = "setsid sleep 600 >/dev/null & echo $! >pid; echo 'not ok 1 - a'; echo '# because'; echo 1..1; exit 1"
    test = run_tests.Test("unit", "leaves", ["sh", "-c", script], 60, cwd=folder)
    totals = run_tests.Totals()
    with contextlib.redirect_stdout(io.StringIO()) as shown:
        totals.add(*run_tests.run_test(test, options))
    t.equal(totals.failures, ["unit/leaves: a: because"], "failures")
    t.contains(shown.getvalue(), "# because", "what is shown")
    pid = int((folder / "pid").read_text())
    # Ours to reap when it is killed: until then it is a zombie at most.
    harness.wait_for(lambda: not os.path.exists(f"/proc/{pid}") or _is_zombie(pid), 10, "the end of what it left")


def _is_zombie(pid):
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii") as stat:
            return stat.read().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


if __name__ == "__main__":
    harness.run(failures_carry_their_why, what_is_no_success_fails, nothing_is_left_running, timeout=60)
