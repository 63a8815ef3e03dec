#!/usr/bin/env python3
"""A training run for tests of what lies between runner and coordinator: each step hashes the one before, so that the last
checkpoint proves that every step was done once, in order, whatever happened in between.

    step n:  h(n) = SHA-256(h(n-1) + n);  every EVERY steps the state and then the checkpoint of that step are sent

Where the environment names a file in TENGEN_TEST_LIMIT, no step is done beyond the one that the file tells: what a test wants
to do to a run that is under way, it does in time on any machine.
"""

import hashlib
import json
import os
import pathlib
import struct
import sys
import time

import fake_runner
from fake_runner import frame, write

STEPS, EVERY, STEP_S = 100, 5, 0.02


def safetensors(name, step, digest):
    header = json.dumps({"__metadata__": {"step": str(step), "name": name},
                         "h": {"dtype": "U8", "shape": [32], "data_offsets": [0, 32]}})
    header += " " * (-len(header) % 8)
    return struct.pack("<Q", len(header)) + header.encode() + digest


def read(path):
    """(step, digest) of such a file."""
    data = pathlib.Path(path).read_bytes()
    size = struct.unpack("<Q", data[:8])[0]
    return int(json.loads(data[8:8 + size])["__metadata__"]["step"]), data[8 + size:]


def advance(step, digest):
    return hashlib.sha256(digest + struct.pack("<Q", step)).digest()


def undisturbed():
    """The digest of the checkpoint that such a run ends with."""
    digest = bytes(32)
    for step in range(1, STEPS + 1):
        digest = advance(step, digest)
    return hashlib.sha256(safetensors("checkpoint", STEPS, digest)).hexdigest()


def send(seq, header, body=b""):
    text = json.dumps(header).encode()
    packed = fake_runner.zstd(body)
    covered = struct.pack("<III", len(text), len(packed), len(body)) + text + packed
    chunk = b"TGC1" + struct.pack("<I", fake_runner.crc32c(covered)) + covered
    write(frame({"type": "chunk", "seq": seq, "units": header["units"]}, chunk))
    return seq + 1


def wait_for_leave(step):
    limit = os.environ.get("TENGEN_TEST_LIMIT")
    while limit and step > int(pathlib.Path(limit).read_text(encoding="ascii")):
        time.sleep(0.01)


def main():
    if sys.argv[1:] == ["kinds", "--json"]:
        print(json.dumps({"kinds": [{"name": "selfplay"}]}))
        return
    task = fake_runner.read_frame()["task"]
    write(frame({"type": "hello", "protocol": 1, "pid": os.getpid()}))
    step, digest, seq = 0, bytes(32), 0
    if task["resume"]:
        step, digest = read(task["resume"]["state"])
        assert read(task["resume"]["checkpoint"]) == (step, digest), "a pair is of one step"
    while step < STEPS:
        time.sleep(STEP_S)
        step += 1
        wait_for_leave(step)
        digest = advance(step, digest)
        if step % EVERY == 0:
            for name in ("state", "checkpoint"):
                seq = send(seq, {"type": "checkpoint", "units": 0, "counters": {},
                                 "checkpoint": {"name": name, "step": step}}, safetensors(name, step, digest))
    send(seq, {"type": "units", "units": 1, "counters": {}})
    write(frame({"type": "done", "units": 1}))


if __name__ == "__main__":
    main()
