#!/usr/bin/env python3
"""A runner for testing the agent: speaks frames, and behaves as its task's config says.

    {"behaviour": "good" | "crash" | "hang" | "garbage" | "flood" | "deaf" | "silent" | "fat" | "liar" | "fail" | "damaged" |
                  "fat engine" | "fork" | "orphan" | "bad input",
     "after": units before it misbehaves, "seconds": of work a unit, "bytes": of each chunk,
     "hold_from": the first unit that is not finished before there is a file "until"}

Each unit is one chunk whose header lists the unit's number under "numbers", so that a test can count what arrived.
With only_attempt it misbehaves in that attempt alone.
"""

import json
import os
import select
import signal
import struct
import subprocess
import sys
import time

TABLE = []
for value in range(256):
    for _ in range(8):
        value = value >> 1 ^ (0x82F63B78 if value & 1 else 0)
    TABLE.append(value)


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc = crc >> 8 ^ TABLE[(crc ^ byte) & 0xFF]
    return crc ^ 0xFFFFFFFF


def frame(header, body=b""):
    text = json.dumps(header).encode()
    covered = struct.pack("<I", len(text)) + text + body
    return struct.pack("<II", len(covered) + 4, crc32c(covered)) + covered


def zstd(data):
    """A zstd frame of raw blocks."""
    out, at = b"\x28\xb5\x2f\xfd\xa0" + struct.pack("<I", len(data)), 0
    while True:
        block = data[at:at + 100000]
        at += len(block)
        out += struct.pack("<I", len(block) << 3 | (at >= len(data)))[:3] + block
        if at >= len(data):
            return out


def chunk(unit, size):
    body = struct.pack("<I", unit) * (size // 4)
    header = json.dumps({"type": "test", "units": 1, "counters": {"games": 1}, "numbers": [unit]}).encode()
    packed = zstd(body)
    covered = struct.pack("<III", len(header), len(packed), len(body)) + header + packed
    return b"TGC1" + struct.pack("<I", crc32c(covered)) + covered


def write(data):
    while data:
        data = data[os.write(1, data):]


def read_frame():
    def exactly(count):
        got = b""
        while len(got) < count:
            piece = os.read(0, count - len(got))
            if not piece:
                sys.exit(3)  # the agent is gone
            got += piece
        return got

    size, crc = struct.unpack("<II", exactly(8))
    covered = exactly(size - 4)
    assert crc32c(covered) == crc
    length = struct.unpack("<I", covered[:4])[0]
    return json.loads(covered[4:4 + length])


def stopped(seconds):
    """Works so long; returns the mode of a stop frame that came."""
    if select.select([0], [], [], seconds)[0]:
        return read_frame()["mode"]
    return None


def misbehave(behaviour, inputs):
    if behaviour == "crash":
        os.kill(os.getpid(), signal.SIGSEGV)
    elif behaviour == "hang":
        time.sleep(1000)
    elif behaviour == "garbage":
        write(b"this is not a frame, it is text that somebody printed to stdout\n" * 100)
        time.sleep(1000)
    elif behaviour == "flood":
        end = time.monotonic() + 1.5
        while time.monotonic() < end:
            os.write(2, b"noise that nobody can read\n" * 1000)
            write(frame({"type": "metric", "name": "loss", "step": 1, "value": 0.5}) * 20)
    elif behaviour == "fat":
        keep = bytearray(os.urandom(1 << 20)) * 400
        time.sleep(1000)
        print(len(keep))
    elif behaviour == "fat engine":
        subprocess.Popen([sys.executable, "-c", "import os, time; x = bytearray(os.urandom(1 << 20)) * 400; time.sleep(100)"],
                         start_new_session=True)
        time.sleep(1000)
    elif behaviour == "orphan":  # what it leaves behind holds the pipes open
        subprocess.Popen(["sleep", "60"], start_new_session=True)
        os.kill(os.getpid(), signal.SIGKILL)
    elif behaviour == "fork":  # a guard, as ours has beside each engine: its memory is the runner's
        keep = bytearray(os.urandom(1 << 20)) * 120
        child = os.fork()
        if child == 0:
            time.sleep(100)
        time.sleep(2)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        del keep
    elif behaviour == "silent":
        sys.exit(0)
    elif behaviour == "status":
        sys.exit(7)
    elif behaviour == "liar":
        write(frame({"type": "chunk", "seq": 77, "units": 1}, chunk(0, 8)))
        time.sleep(1000)
    elif behaviour == "damaged":
        write(frame({"type": "chunk", "seq": 0, "units": 1}, b"TGC1 but not a chunk at all"))
        time.sleep(1000)
    elif behaviour == "no engine":
        write(frame({"type": "fail", "code": "unavailable", "detail": "gnugo is not there", "field": "engine:gnugo"}))
        sys.exit(0)
    elif behaviour == "full":
        write(frame({"type": "fail", "code": "storage_full", "detail": "no space", "field": "cache"}))
        sys.exit(0)
    elif behaviour == "bad input":  # says where the files are, as libraries do that know nothing of inputs
        policy, games = inputs["policy"], inputs["games"]
        write(frame({"type": "fail", "code": "corrupt", "field": f"{policy}/a.png"[:127], "detail": f"is torn, unlike {games}: end"}))
        sys.exit(0)
    elif behaviour == "fail":
        write(frame({"type": "fail", "code": "engine_failed", "detail": "the engine died", "field": "config.a"}))
        sys.exit(0)


def main():
    if sys.argv[1:] == ["kinds", "--json"]:
        print(json.dumps({"kinds": [{"name": "selfplay"}, {"name": "match"}]}))
        return
    task = read_frame()["task"]
    config, number = task["config"], 0
    early = config.get("behaviour") if config.get("only_attempt", task["attempt"]) == task["attempt"] else None
    if early == "exit early":
        sys.exit(9)
    if early == "text first":
        write(b"usage: this program is something else\n" * 100)
        time.sleep(1000)
    if early == "killed early":
        os.kill(os.getpid(), signal.SIGKILL)
    write(frame({"type": "hello", "protocol": 1, "pid": os.getpid()}))
    if config.get("note"):
        os.write(2, json.dumps({name: task.get(name) for name in ("inputs", "resume", "engines", "units_done")}).encode() + b"\n")
    behaviour = config.get("behaviour", "good")
    if config.get("only_attempt", task["attempt"]) != task["attempt"]:
        behaviour = "good"
    if behaviour == "deaf":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    for unit in range(task["units_done"], task["units"]):
        if unit == config.get("after", 0) and behaviour not in ("good", "deaf"):
            misbehave(behaviour, task["inputs"])
        mode = stopped(config.get("seconds", 0.01))
        while not mode and unit >= config.get("hold_from", unit + 1) and not os.path.exists(config["until"]):
            mode = stopped(0.02)
        if mode and behaviour == "deaf":
            time.sleep(1000)
        if mode == "now":
            break
        write(frame({"type": "chunk", "seq": number, "units": 1}, chunk(unit, config.get("bytes", 64))))
        number += 1
        write(frame({"type": "progress", "done": number}))
        write(frame({"type": "metric", "name": "value", "step": unit, "value": unit / 2}))
        if mode == "drain":
            break
    write(frame({"type": "done", "units": number}))


if __name__ == "__main__":
    main()
