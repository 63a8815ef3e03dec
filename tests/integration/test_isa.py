"""The network engine's unit tests pass with every instruction set that this machine has, and a wrong name is refused.

The unit tests themselves run with the best one; here they run with the others."""
# run_tests: timeout=300

import os
import re

import harness

TESTS = ["nn_conv", "nn_graph", "nn_loss", "nn_ops", "nn_optimizer", "nn_check", "nn_reference", "zoo", "network"]


def instruction_sets(t):
    """What the program says that it runs, when it is asked for what nobody has."""
    done = t.tool("tengen-run", "bench", "infer", env={"TENGEN_ISA": "abacus"})
    t.equal((done.returncode, done.stdout), (2, b""), "exit code and output with an unknown instruction set")
    found = re.search(rb'TENGEN_ISA: this machine cannot run "abacus"; it runs ([\w, ]+)', done.stderr)
    t.true(found, f"the names that would work, in {done.stderr!r}")
    return found[1].decode().split(", ")


def unit_test(name):
    for folder in (harness.BIN.parent, harness.BIN.parent / "release"):
        path = folder / "tests" / "unit" / f"test_{name}"
        if os.access(path, os.X_OK):
            return path
    raise harness.Failure(f"test_{name} is not built: scripts/build --tests")


def processor_has(flag):
    with open("/proc/cpuinfo") as file:
        return re.search(rf"^flags\b.*\b{flag}\b", file.read(), re.MULTILINE)


def every_other_instruction_set(t):
    names = instruction_sets(t)
    t.contains(names, "baseline", "instruction sets")
    for flag in ("avx", "avx2"):
        if processor_has(flag):
            t.contains(names, flag, "instruction sets of a processor that has it")
    for isa in names[1:]:
        for test in TESTS:
            with t.subtest(f"{isa} {test}"):
                done = t.run(unit_test(test), env={"TENGEN_ISA": isa}, timeout=60)
                t.equal(done.returncode, 0, f"exit code of test_{test}: {harness.tail((done.stdout + done.stderr).decode())}")


def a_benchmark_says_what_it_ran_with(t):
    for isa in instruction_sets(t):
        done = t.tool("tengen-run", "bench", "infer", "--blocks", "1", "--seconds", "0.01", "--json", env={"TENGEN_ISA": isa}, check=0)
        t.contains(done.stdout.decode(), f'"isa": "{isa}"', "figures")


if __name__ == "__main__":
    harness.run(every_other_instruction_set, a_benchmark_says_what_it_ran_with, timeout=240)
