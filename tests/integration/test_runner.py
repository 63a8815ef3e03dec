"""The test runner itself: what it must count as a failure. A runner that passes everything would hide all else."""

import sys

import harness

sys.path.insert(0, str(harness.ROOT / "scripts" / "lib"))
import run_tests  # noqa: E402  pylint: disable=wrong-import-position

# (what, output, exit code, timed out, expected (passed, failed, skipped))
CASES = [
    ("all passed", "1..2\nok 1 - a\nok 2 - b\n", 0, False, (2, 0, 0)),
    ("plan at the end", "ok 1 - a\n1..1\n", 0, False, (1, 0, 0)),
    ("two cmocka groups", "1..1\nok 1 - a\n1..2\nok 1 - b\nok 2 - c\n", 0, False, (3, 0, 0)),
    ("a skip with its reason", "1..2\nok 1 - a # SKIP no gnugo\nok 2\n", 0, False, (1, 0, 1)),
    ("a whole file skipped", "1..0 # SKIP no network namespaces\n", 0, False, (0, 0, 1)),
    ("a line that failed", "1..2\nok 1\nnot ok 2 - b\n", 1, False, (1, 1, 0)),
    ("a line that failed, exit code 0", "1..2\nok 1\nnot ok 2 - b\n", 0, False, (1, 1, 0)),
    ("nothing printed", "", 0, False, (0, 1, 0)),
    ("nothing but noise", "hello\n# ok\n", 0, False, (0, 1, 0)),
    ("no plan", "ok 1\n", 0, False, (1, 1, 0)),
    ("fewer lines than planned", "1..3\nok 1\n", 0, False, (1, 1, 0)),
    ("more lines than planned", "1..1\nok 1\nok 2\n", 0, False, (2, 1, 0)),
    ("exit code without a failed line", "1..1\nok 1\n", 3, False, (1, 1, 0)),
    ("killed by a signal at the end", "1..1\nok 1\n", -11, False, (1, 1, 0)),
    ("bail out", "1..1\nok 1\nBail out! no\n", 1, False, (1, 1, 0)),
    ("timed out", "1..2\nok 1\n", -15, True, (1, 1, 0)),
]


def the_runner_judges(t):
    for what, output, code, timed_out, expected in CASES:
        with t.subtest(what):
            result = run_tests.judge(output, code, timed_out, 10)
            t.equal((result.passed, result.failed, result.skipped), expected, "passed, failed, skipped")
            t.equal(bool(result.reasons), expected[1] > 0, "a reason when it failed")


def a_failed_run_exits_with_1_and_ends_with_its_counts(t):
    build = t.folder("build")
    done = t.run("meson", "setup", build / "b", _project(t), check=0)
    done = t.run(sys.executable, harness.ROOT / "scripts/lib/run_tests.py", "--build", build / "b", "--bin", build,
                 "--suite", "unit")
    t.equal(done.returncode, 1, "exit code")
    t.equal(done.stdout.decode().splitlines()[-1], "1 passed, 2 failed, 1 skipped", "last line")


def a_name_that_no_test_has_is_a_failure(t):
    build = t.folder("build")
    t.run("meson", "setup", build / "b", _project(t), check=0)
    done = t.run(sys.executable, harness.ROOT / "scripts/lib/run_tests.py", "--build", build / "b", "--bin", build,
                 "unit/nonesuch")
    t.equal(done.returncode, 1, "exit code")
    t.equal(done.stdout.decode().splitlines()[-1], "0 passed, 1 failed, 0 skipped", "last line")


def what_a_test_leaves_running_is_killed(t):
    folder = t.folder("project")
    pid_file = folder / "pid"
    script = f"setsid sleep 1000 & echo $! > {pid_file}; echo 1..1; echo ok 1"
    (folder / "meson.build").write_text(
        f"project('p')\ntest('leaves', find_program('sh'), args: ['-c', '''{script}'''], suite: 'unit')\n")
    t.run("meson", "setup", folder / "b", folder, check=0)
    t.run(sys.executable, harness.ROOT / "scripts/lib/run_tests.py", "--build", folder / "b", "--bin", folder,
          "unit/leaves", check=0)
    pid = int(pid_file.read_text())
    state = _state_of(pid)
    t.true(state in (None, "Z"), f"process {pid} is gone (state {state})")


def _state_of(pid):
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii") as stat:
            return stat.read().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return None


def _project(t):
    folder = t.folder("project")
    lines = ["project('p')", "sh = find_program('sh')"]
    for name, script in (("good", "echo 1..2; echo ok 1; echo ok 2 '#' SKIP none"), ("bad", "echo 1..1; echo not ok 1"),
                         ("silent", "true")):
        lines.append(f"test('{name}', sh, args: ['-c', '''{script}'''], suite: 'unit')")
    (folder / "meson.build").write_text("\n".join(lines) + "\n")
    return folder


if __name__ == "__main__":
    harness.run(the_runner_judges, a_failed_run_exits_with_1_and_ends_with_its_counts,
                a_name_that_no_test_has_is_a_failure, what_a_test_leaves_running_is_killed)
