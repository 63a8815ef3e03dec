"""Runs tests, each as a process of its own, and counts their TAP result lines.

    run_tests.py --build DIR --bin DIR [--quick] [--slow F] [--label TEXT] [--counts FILE] [--failures FILE]
                 [--suite S]... [NAME...]

The tests are those that meson knows (suites unit, ...), tests/integration/test_*.py and tests/web/run.mjs. A Python
test may say in its first lines `# run_tests: timeout=900 alone` (seconds; not beside another test).

A test fails when a result line does, when it printed no result line, when its plan and its lines differ, when its exit
code says so although no line did, or when its time is over. Whatever it leaves running is killed. Of a failed test the
end is shown, without the lines that passed; the output of all is in DIR/test-logs. The very last lines name each failure
and the first line of its why.
"""

import argparse
import concurrent.futures
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
SHOWN_LINES = 150  # of a failed test


class Test:
    def __init__(self, suite, name, command, timeout, env=None, alone=False, cwd=ROOT):
        self.name = f"{suite}/{name}"
        self.suite, self.command, self.timeout, self.env, self.alone, self.cwd = (
            suite, command, timeout, env or {}, alone, cwd)


class Result:
    """What a test's output amounts to."""

    def __init__(self):
        self.passed = self.failed = self.skipped = 0
        self.plan = None
        self.reasons, self.skips = [], []

    def failure(self, reason):
        self.failed += 1
        self.reasons.append(reason)


def why(lines):
    """The first line that explains a failed point: of what follows it, up to the next point, the first comment or indented
    line that says something."""
    for line in lines:
        if re.match(r"(not )?ok\b|1\.\.|Bail out!", line):
            break
        words = re.sub(r"^(#|\s)+", "", line).strip()
        if words.strip("-.") and line[:1] in "# ":
            return words
    return ""


def failed_point(line, after):
    name = re.sub(r"^not ok\s*\d*\s*(- )?", "", line).strip() or line
    reason = why(after)
    return f"{name}: {reason}" if reason else name


def parse_tap(text):
    result = Result()
    lines = text.splitlines()
    for number, line in enumerate(lines):
        if plan := re.fullmatch(r"1\.\.(\d+)(?:\s*#\s*skip\S*\s*(.*))?\s*", line, re.IGNORECASE):
            # A program of several cmocka groups prints a plan for each.
            result.plan = (result.plan or 0) + int(plan[1])
            if plan[1] == "0" and plan[2] is not None:
                result.skipped += 1
                result.skips.append(plan[2] or "no reason given")
                result.plan = (result.plan or 0) + 1
        elif point := re.match(r"(not )?ok\b(.*)", line):
            skip = re.search(r"#\s*skip\S*\s*(.*)", point[2], re.IGNORECASE)
            if skip:
                result.skipped += 1
                result.skips.append(skip[1] or "no reason given")
            elif point[1]:
                result.failure(failed_point(line, lines[number + 1:]))
            else:
                result.passed += 1
        elif line.startswith("Bail out!"):
            result.failure(line)
    return result


def judge(text, code, timed_out, timeout):
    result = parse_tap(text)
    seen = result.passed + result.failed + result.skipped
    if timed_out:
        result.failure(f"not done within {timeout:.0f} s")
    elif not seen:
        result.failure(f"printed no result line (exit code {code})")
    elif not result.failed:
        if code != 0:
            result.failure(f"exit code {code} although no line failed")
        elif result.plan is None:
            result.failure("printed no plan")
        elif result.plan != seen:
            result.failure(f"planned {result.plan} result lines, printed {seen}")
    return result


def meson_tests(build):
    listing = subprocess.run(["meson", "introspect", "--tests", str(build)], check=True, capture_output=True).stdout
    tests = []
    for entry in json.loads(listing):
        suite = (entry["suite"] or ["unit"])[0].rpartition(":")[2] or "unit"
        tests.append(Test(suite, entry["name"], entry["cmd"], entry["timeout"], entry["env"],
                          alone=not entry["is_parallel"], cwd=entry["workdir"] or build))
    return tests


def python_tests():
    tests = []
    for path in sorted((ROOT / "tests" / "integration").glob("test_*.py")):
        head = path.read_text(encoding="utf-8")[:2000]
        marks = re.search(r"^# run_tests:(.*)$", head, re.MULTILINE)
        words = marks[1].split() if marks else []
        timeout = next((float(w.partition("=")[2]) for w in words if w.startswith("timeout=")), 300)
        tests.append(Test("integration", path.stem[5:], [sys.executable, "-B", str(path)], timeout,
                          alone="alone" in words))
    return tests


def web_tests():
    runner = ROOT / "tests" / "web" / "run.mjs"
    if not runner.exists():
        return []
    return [Test("web", "dashboard", ["node", str(runner)], 1200, alone=True)]


def kill_group(process):
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass


def kill_marked(mark):
    """What a test left running, wherever it went: every process whose environment carries the test's mark."""
    needle = f"TENGEN_TEST_MARK={mark}".encode()
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                with open(f"/proc/{entry}/environ", "rb") as environ:
                    if needle in environ.read().split(b"\0"):
                        os.kill(int(entry), signal.SIGKILL)
            except OSError:
                pass  # ended meanwhile, or another user's


def ended_within(process, seconds):
    try:
        process.wait(seconds)
        return True
    except subprocess.TimeoutExpired:
        return False


def run_test(test, options):
    logs = options.build / "test-logs"
    log = logs / (test.name.replace("/", "-") + ".log")
    mark = f"{os.getpid()}-{test.name}"
    env = {**os.environ, **test.env, "TENGEN_TEST_MARK": mark, "TENGEN_BIN": str(options.bin), "TENGEN_TEST_SLOW": str(options.slow),
           "TENGEN_TEST_QUICK": "1" if options.quick else "0"}
    timeout, start = test.timeout * options.slow, time.monotonic()
    out = log.with_suffix(".out")  # a file: what the test leaves running would hold a pipe open
    with open(out, "wb") as output, open(log, "wb") as errors:
        process = subprocess.Popen(test.command, stdin=subprocess.DEVNULL, stdout=output, stderr=errors, env=env,
                                   cwd=test.cwd, start_new_session=True)
        timed_out = not ended_within(process, timeout)
        if timed_out:
            process.terminate()  # a Python test cleans up
            ended_within(process, 10)
    kill_group(process)
    process.wait()
    kill_marked(mark)
    text = out.read_text(errors="replace")
    out.unlink()
    result = judge(text, process.returncode, timed_out, timeout)
    whole = text + "".join(f"# stderr: {line}\n" for line in log.read_text(errors="replace").splitlines())
    log.write_text(whole)
    return test, result, time.monotonic() - start, whole


def telling(text):
    """What a failed test said, without the points that passed; its end when that is long."""
    lines = [line for line in text.splitlines() if not re.match(r"ok\b|TAP version", line)]
    left_out = [f"... {len(lines) - SHOWN_LINES} lines before these"] if len(lines) > SHOWN_LINES else []
    return left_out + lines[-SHOWN_LINES:]


class Totals:
    def __init__(self):
        self.passed = self.failed = self.skipped = 0
        self.skips, self.failures = [], []

    def add(self, test, result, seconds, text):
        self.passed += result.passed
        self.failed += result.failed
        self.skipped += result.skipped
        word = "FAILED" if result.failed else "ok    "
        counts = f"{result.passed} passed"
        counts += f", {result.failed} failed" if result.failed else ""
        counts += f", {result.skipped} skipped" if result.skipped else ""
        print(f"{word} {test.name:32} {seconds:7.1f} s  {counts}", flush=True)
        for reason in result.skips:
            self.skips.append(f"{test.name}: {reason}")
        if result.failed:
            self.failures += [f"{test.name}: {reason}" for reason in result.reasons]
            print("".join(f"    {line}\n" for line in telling(text)), flush=True)


def matches(test, options):
    if options.suite and test.suite not in options.suite:
        return False
    return not options.names or any(name in test.name for name in options.names)


def run_all(tests, options):
    totals = Totals()
    together = [t for t in tests if not t.alone]
    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        for done in concurrent.futures.as_completed([pool.submit(run_test, t, options) for t in together]):
            totals.add(*done.result())
    for test in tests:
        if test.alone:
            totals.add(*run_test(test, options))
    return totals


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", type=pathlib.Path, required=True)
    parser.add_argument("--bin", type=pathlib.Path, required=True)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--slow", type=float, default=3, help="multiplies all time limits")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 2)
    parser.add_argument("--suite", action="append")
    parser.add_argument("--label", default="")
    parser.add_argument("--counts", type=pathlib.Path, help="the counts are also appended here")
    parser.add_argument("--failures", type=pathlib.Path, help="a line for each failure is also appended here")
    parser.add_argument("names", nargs="*")
    options = parser.parse_args()
    options.build, options.bin = options.build.resolve(), options.bin.resolve()
    return options


def main():
    options = arguments()
    shutil.rmtree(options.build / "test-logs", ignore_errors=True)
    (options.build / "test-logs").mkdir(parents=True)
    tests = [t for t in meson_tests(options.build) + python_tests() + web_tests() if matches(t, options)]
    totals = run_all(tests, options)
    if not tests:
        totals.failed += 1
        totals.failures.append(f"no test is called {' '.join(options.names)}")
    label = f" ({options.label})" if options.label else ""
    if totals.skips:
        print(f"Skipped{label}:")
        print("".join(f"  {line}\n" for line in totals.skips), end="")
    failures = [f"Failed{label}: {line}\n" for line in totals.failures]
    print("".join(failures), end="")
    if options.failures:
        with open(options.failures, "a", encoding="utf-8") as out:
            out.writelines(failures)
    if options.counts:
        with open(options.counts, "a", encoding="ascii") as counts:
            counts.write(f"{totals.passed} {totals.failed} {totals.skipped}\n")
    print(f"{totals.passed} passed, {totals.failed} failed, {totals.skipped} skipped", flush=True)
    sys.exit(1 if totals.failed else 0)


if __name__ == "__main__":
    main()
