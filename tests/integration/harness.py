"""What the integration tests share: programs started and surely stopped, an API client, TAP.

A test file is a program. Its cases are functions that take one argument, the Case:

    import harness

    def jobs_are_listed_newest_first(t):
        server = t.server()                          # tengen-server on a port of its own, with a data folder of its own
        first = server.api.expect(201, "POST", "/api/v1/jobs", json={"kind": "selfplay", "config": {}})
        ...
        t.equal(items[0]["id"], second["id"], "the newest job")
        with t.subtest("cursors"):                   # a result line of its own
            ...

    if __name__ == "__main__":
        harness.run(jobs_are_listed_newest_first, timeout=30)

Every check prints both operands when it fails and ends the case (or the subtest it is in). t.skip("reason") ends it as
skipped. When a case ends, however it ends, everything that it started is killed and its folders are removed; the
case fails when a program had ended by itself with an error, or when a sanitizer complained in its log.

Environment:
    TENGEN_BIN          folder of the programs (default: build/bin of this checkout)
    TENGEN_TEST_QUICK   1: the short form of long tests
    TENGEN_TEST_SLOW    multiplies every time limit (default 3, for machines that do much else; sanitizer builds set more)
    TENGEN_TEST_KEEP    1: keep the folders of failed cases and say where they are

Only the standard library is used. The programs are started from the main thread only: a program that outlived a
killed test would otherwise not be taken down by the kernel (PR_SET_PDEATHSIG follows the thread).
"""

import collections
import contextlib
import ctypes
import http.client
import json as jsonlib
import os
import pathlib
import re
import shutil
import signal
import socket
import sqlite3
import ssl
import struct
import subprocess
import sys
import tempfile
import threading
import time
import traceback
import urllib.parse

ROOT = pathlib.Path(__file__).resolve().parents[2]
BIN = pathlib.Path(os.environ.get("TENGEN_BIN") or ROOT / "build" / "bin").resolve()
QUICK = os.environ.get("TENGEN_TEST_QUICK", "") not in ("", "0")
SLOW = float(os.environ.get("TENGEN_TEST_SLOW") or 3)
KEEP = os.environ.get("TENGEN_TEST_KEEP", "") not in ("", "0")

SANITIZER_REPORT = re.compile(
    r"ERROR: AddressSanitizer|ERROR: LeakSanitizer|WARNING: ThreadSanitizer|: runtime error: |ERROR: ThreadSanitizer"
)

ENDS_IN_ORDER = ("tengen-server", "tengen-worker")  # what obeys SIGTERM and SIGINT

_libc = ctypes.CDLL(None, use_errno=True)
_PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER = 1, 36


class Failure(Exception):
    """A check that did not hold."""


class Skip(Exception):
    """The case cannot run here; the text says why."""


class TimedOut(Exception):
    """The case took longer than its limit."""


# ---------------------------------------------------------------------------------------------------------------------
# Programs


def program(name):
    """The path of one of our programs; fails clearly when it was not built."""
    path = BIN / name
    if not os.access(path, os.X_OK):
        raise Failure(f"{path} is missing: run scripts/build first (or set TENGEN_BIN)")
    return str(path)


def flags_of(flags):
    """{"port_file": "x", "quiet": True, "color": False, "token": None, "engine": ["a=b", "c=d"]} as arguments."""
    arguments = []
    for name, value in flags.items():
        flag = "--" + name.replace("_", "-")
        if value is None:
            continue
        if value is True:
            arguments.append(flag)
        elif value is False:
            arguments.append("--no-" + flag[2:])
        else:
            for one in value if isinstance(value, (list, tuple)) else [value]:
                arguments += [flag, str(one)]
    return arguments


def _in_child():
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


class Program:
    """A started program in a process group of its own, its output in a file. `prefix` is put before the command
    (to enter a network namespace, to set a limit)."""

    def __init__(self, case, arguments, name=None, env=None, stdin=subprocess.DEVNULL, stdout=None, prefix=()):
        self.arguments = [str(a) for a in arguments]
        self.name = name or pathlib.Path(self.arguments[0]).name
        handle, path = tempfile.mkstemp(prefix=self.name + "-", suffix=".log", dir=case.logs)
        self.log_path = pathlib.Path(path)
        self.ending_is_ours = False
        main = threading.current_thread() is threading.main_thread()
        with os.fdopen(handle, "wb") as log:
            self.process = subprocess.Popen(
                [*prefix, *self.arguments],
                stdin=stdin,
                stdout=log if stdout is None else stdout,
                stderr=log,
                start_new_session=True,
                env={**os.environ, **(env or {})},
                preexec_fn=_in_child if main else None,
            )
        case.programs.append(self)

    @property
    def pid(self):
        return self.process.pid

    def running(self):
        return self.process.poll() is None

    def log(self):
        return self.log_path.read_text(errors="replace")

    def signal(self, number):
        """Sends a signal to the program alone (its children are not told). One of ours that was only just started is waited
        for until it would not die of the signal: before its first line no program can hold it back."""
        if number in (signal.SIGTERM, signal.SIGINT) and pathlib.Path(self.arguments[0]).name in ENDS_IN_ORDER:
            wait_for(lambda: not self.running() or self._minds(number), 30, f"{self.name} to mind {number!r}", every=0.005)
        self.process.send_signal(number)

    def _minds(self, number):
        """Whether the program has a handler for the signal, or holds it back until it has one."""
        try:
            lines = pathlib.Path(f"/proc/{self.pid}/status").read_text(encoding="ascii", errors="replace").splitlines()
        except OSError:
            return False  # ended meanwhile
        masks = [int(line.split()[1], 16) for line in lines if line.startswith(("SigBlk:", "SigCgt:"))]
        return any(mask >> (number - 1) & 1 for mask in masks)

    def wait(self, timeout=30):
        """Waits for the end; returns the exit code (negative: the signal). The ending counts as wanted."""
        self.ending_is_ours = True
        try:
            return self.process.wait(timeout * SLOW)
        except subprocess.TimeoutExpired:
            raise Failure(f"{self.name} (pid {self.pid}) did not end within {timeout * SLOW:.0f} s") from None

    def stop(self, timeout=30):
        """SIGTERM, then waits; returns the exit code."""
        self.ending_is_ours = True
        if self.running():
            self.signal(signal.SIGTERM)
        return self.wait(timeout)

    def kill(self, group=False):
        """SIGKILL to the program alone, or to its whole process group; waits until it is gone."""
        self.ending_is_ours = True
        if self.running():
            if group:
                os.killpg(self.pid, signal.SIGKILL)
            else:
                self.signal(signal.SIGKILL)
        self.process.wait()

    def children(self):
        """The pids of the processes that it has started and that still live."""
        return [pid for pid, parent in _process_parents() if parent == self.pid]

    def complaint(self):
        """Why this program fails its case although no check did; None when all is well."""
        code = self.process.poll()
        if not self.ending_is_ours and code not in (None, 0):
            return f"{self.name} (pid {self.pid}) ended by itself with {code}"
        if SANITIZER_REPORT.search(self.log()):
            return f"{self.name} (pid {self.pid}): a sanitizer complained"
        return None


def _process_parents():
    """(pid, parent's pid) of every process."""
    found = []
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                with open(f"/proc/{entry}/stat", encoding="ascii", errors="replace") as stat:
                    found.append((int(entry), int(stat.read().rpartition(")")[2].split()[1])))
            except OSError:
                pass  # ended meanwhile
    return found


def _kill_descendants():
    """Kills every process below this one: orphans are handed to us, because run() made us their reaper."""
    for _ in range(100):
        children = collections.defaultdict(list)
        for pid, parent in _process_parents():
            children[parent].append(pid)
        left, pending = [], [os.getpid()]
        while pending:
            for pid in children[pending.pop()]:
                left.append(pid)
                pending.append(pid)
        if not left:
            return
        for pid in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        time.sleep(0.02)


class Server(Program):
    """tengen-server. .url, .port, .data and .api (with the token given, or none)."""

    def __init__(self, case, data=None, token=None, wait=True, prefix=(), host="127.0.0.1", tls_ca=None, env=None,
                 **flags):
        self.data = pathlib.Path(data) if data else case.folder("data")
        self.port_file = case.folder("port") / "port"
        self.tls_ca = tls_ca
        self.host = host
        flags = {"port": 0, "port_file": self.port_file, "data": self.data, **flags}
        super().__init__(case, [program("tengen-server"), *flags_of(flags)], env=env, prefix=prefix)
        self.port, self.url, self.api, self._token = None, None, None, token
        if wait:
            self.wait_ready()

    def wait_ready(self, timeout=20):
        """Waits for the port file and for /healthz; fails with the log's end when the server ends instead."""

        def port():
            if not self.running():
                raise Failure(f"tengen-server ended with {self.process.returncode}:\n{tail(self.log())}")
            text = self.port_file.read_text().strip() if self.port_file.exists() else ""
            return int(text) if text else None

        self.port = wait_for(port, timeout, "the port file of tengen-server")
        self.url = f"{'https' if self.tls_ca else 'http'}://{self.host}:{self.port}"
        self.api = Api(self.url, token=self._token, ca=self.tls_ca)
        wait_for(self._healthy, timeout, "/healthz")
        return self

    def _healthy(self):
        try:
            return self.api.get("/healthz").status == 200
        except OSError:
            return False

    def wait_parked(self, count=1):
        """Waits until so many lease calls wait for work: each of them is sure to be given some of what comes."""
        pattern = re.compile(rb"^tengen_workers_parked (\d+)$", re.M)
        wait_for(lambda: int(pattern.search(self.api.get("/metrics").body)[1]) == count, 30,
                 f"{count} lease calls to wait")

    def api_as(self, token):
        return Api(self.url, token=token, ca=self.tls_ca)

    def create_token(self, role, name="test", api=None):
        """A new token's text. The first one of a store may be made by anyone on loopback and must be an admin's."""
        answer = (api or self.api).expect(201, "POST", "/api/v1/tokens", json={"role": role, "name": name})
        return answer["token"]


class Worker(Program):
    """tengen-worker. .data is its folder (the durable spool lives there)."""

    def __init__(self, case, server, data=None, token=None, runners=1, prefix=(), env=None, **flags):
        self.data = pathlib.Path(data) if data else case.folder("worker")
        self.data.mkdir(parents=True, exist_ok=True)
        url = server if isinstance(server, str) else server.url
        if token:
            token_file = self.data.parent / (self.data.name + ".token")
            token_file.write_text(token + "\n")
            token_file.chmod(0o600)
            flags["token_file"] = token_file
        # No nice level: beside whatever else the machine does, a runner would hardly get on.
        flags = {"server": url, "data": self.data, "runners": runners, "nice": 0, **flags}
        super().__init__(case, [program("tengen-worker"), *flags_of(flags)], env=env, prefix=prefix)

    def runner_pids(self):
        return self.children()


# ---------------------------------------------------------------------------------------------------------------------
# HTTP


# A GTP engine that always passes, slowly while there is no file GO: work that surely lasts, and costs no processor.
SLOW_ENGINE = r"""#!/bin/sh
while read id command rest; do
    case $command in genmove) [ -e "GO" ] || sleep 0.2; answer=pass;; *) answer="";; esac
    printf '=%s %s\n\n' "$id" "$answer"
done
"""


class Answer:
    """status, headers (an http.client.HTTPMessage: case-blind .get), body (bytes), .json, .lines (NDJSON)."""

    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    @property
    def json(self):
        try:
            return jsonlib.loads(self.body)
        except ValueError:
            raise Failure(f"status {self.status}, not JSON: {self.body[:300]!r}") from None

    @property
    def lines(self):
        return [jsonlib.loads(line) for line in self.body.splitlines() if line]

    def __repr__(self):
        return f"<{self.status} {self.body[:500]!r}>"


class Api:
    """A client of one server. Each call is a connection of its own, so it may be used by any thread."""

    def __init__(self, url, token=None, ca=None, timeout=30):
        self.url, self.token, self.ca, self.timeout = url.rstrip("/"), token, ca, timeout * SLOW
        self.parts = urllib.parse.urlsplit(self.url)

    def _tls(self):
        return ssl.create_default_context(cafile=str(self.ca) if self.ca else None)

    def connect(self):
        """A plain connected socket (wrapped in TLS when the address says so), for what no client would send."""
        plain = socket.create_connection((self.parts.hostname, self.parts.port), self.timeout)
        if self.parts.scheme == "https":
            return self._tls().wrap_socket(plain, server_hostname=self.parts.hostname)
        return plain

    def raw(self, data, timeout=10):
        """Sends bytes, reads until the server closes (or the time is over) and returns what came."""
        with self.connect() as connection:
            connection.settimeout(timeout * SLOW)
            got = b""
            with contextlib.suppress(ConnectionError):  # who refuses early hangs up early: the answer is there all the same
                connection.sendall(data)
            with contextlib.suppress(socket.timeout, ConnectionError):
                while piece := connection.recv(65536):
                    got += piece
            return got

    def _connection(self):
        if self.parts.scheme == "https":
            return http.client.HTTPSConnection(
                self.parts.hostname, self.parts.port, timeout=self.timeout, context=self._tls())
        return http.client.HTTPConnection(self.parts.hostname, self.parts.port, timeout=self.timeout)

    def call(self, method, path, json=None, body=None, headers=None):
        """One request; raises OSError (also for a torn answer) when there was no whole answer."""
        headers = dict(headers or {})
        if json is not None:
            body = jsonlib.dumps(json).encode()
            headers.setdefault("Content-Type", "application/json")
        if self.token:
            headers.setdefault("Authorization", "Bearer " + self.token)
        connection = self._connection()
        try:
            try:
                connection.request(method, path, body=body, headers=headers)
            except (BrokenPipeError, ConnectionResetError):
                # A body that is refused early: the answer may be there all the same.
                if connection.sock is None:
                    raise
            answer = connection.getresponse()
            return Answer(answer.status, answer.headers, answer.read())
        except http.client.HTTPException as error:
            raise ConnectionError(f"{method} {path}: {error!r}") from error
        finally:
            connection.close()

    def get(self, path, **more):
        return self.call("GET", path, **more)

    def post(self, path, json=None, **more):
        return self.call("POST", path, json=json, **more)

    def expect(self, status, method, path, **more):
        """The JSON of an answer (None when it has no body) that must have this status."""
        answer = self.call(method, path, **more)
        if answer.status != status:
            raise Failure(f"{method} {path}: expected {status}, got {answer.status}: {answer.body[:600]!r}")
        return answer.json if answer.body else None

    def pages(self, path, limit=500):
        """Every item of a paged list."""
        mark, items = "&" if "?" in path else "?", []
        page = self.expect(200, "GET", f"{path}{mark}limit={limit}")
        while True:
            items += page["items"]
            if page["next"] is None:
                return items
            after = urllib.parse.quote(str(page["next"]))
            page = self.expect(200, "GET", f"{path}{mark}limit={limit}&after={after}")

    @contextlib.contextmanager
    def events(self, topics=None, last_id=None, timeout=20):
        """Server-sent events: an iterator of (id, event, data); raises socket.timeout after silence."""
        connection = self._connection()
        connection.timeout = timeout * SLOW
        headers = {"Accept": "text/event-stream"}
        if self.token:
            headers["Authorization"] = "Bearer " + self.token
        if last_id is not None:
            headers["Last-Event-ID"] = str(last_id)
        try:
            connection.request("GET", "/api/v1/events" + (f"?topics={topics}" if topics else ""), headers=headers)
            answer = connection.getresponse()
            if answer.status != 200:
                raise Failure(f"GET /events: {answer.status} {answer.read()[:300]!r}")
            yield _events_of(answer)
        finally:
            connection.close()


def _events_of(stream):
    fields, data = {}, []
    while line := stream.readline():
        text = line.decode().rstrip("\r\n")
        if not text:
            if data or fields:
                raw = "\n".join(data)
                yield fields.get("id"), fields.get("event", "message"), jsonlib.loads(raw) if raw else None
            fields, data = {}, []
        elif not text.startswith(":"):
            name, _, value = text.partition(":")
            value = value[1:] if value.startswith(" ") else value
            if name == "data":
                data.append(value)
            else:
                fields[name] = value


class FakeWorker:
    """The workers' calls by hand, for tests of the coordinator that need no agent."""

    def __init__(self, api, name="fake", instance=None, runners=1, capabilities=("kind:selfplay",)):
        self.api, self.instance = api, instance or os.urandom(16).hex()
        answer = api.post("/api/v1/workers", json={
            "name": name, "instance": self.instance, "protocol": {"min": 1, "max": 1}, "runners": runners,
            "capabilities": list(capabilities),
            "machine": {"os": "test", "cpu": "test", "isa": "baseline", "cores": 1, "memory_bytes": 1 << 30,
                        "version": "test"}})
        if answer.status not in (200, 201):
            raise Failure(f"registration: {answer!r}")
        self.id, self.terms = answer.json["id"], answer.json

    def lease(self, free=1, wait_s=0, holding=()):
        return self.api.expect(200, "POST", f"/api/v1/workers/{self.id}/lease",
                               json={"free": free, "wait_s": wait_s, "holding": list(holding)})

    def beat(self, task, sequence=1, done=0, **more):
        return self.api.post(f"/api/v1/tasks/{task['id']}/beat", json={
            "worker": self.id, "attempt": task["attempt"], "sequence": sequence,
            "progress": {"done": done, "rate_per_s": 0, "live": []}, "metrics": [], "log": [], **more})

    def chunk(self, task, seq, body):
        path = f"/api/v1/tasks/{task['id']}/chunks?worker={self.id}&attempt={task['attempt']}&seq={seq}"
        return self.api.call("POST", path, body=body, headers={"Content-Type": "application/vnd.tengen.chunk"})

    def done(self, task, chunks, **more):
        return self.api.post(f"/api/v1/tasks/{task['id']}/done",
                             json={"worker": self.id, "attempt": task["attempt"], "chunks": chunks, **more})

    def fail(self, task, code="internal", detail="on purpose"):
        return self.api.post(f"/api/v1/tasks/{task['id']}/fail", json={
            "worker": self.id, "attempt": task["attempt"], "code": code, "detail": detail})


# ---------------------------------------------------------------------------------------------------------------------
# The binary formats (proto/wire/chunk.h, proto/wire/frame.h), written independently of the C code


def _crc_table():
    table = []
    for n in range(256):
        for _ in range(8):
            n = (n >> 1) ^ 0x82F63B78 if n & 1 else n >> 1
        table.append(n)
    return table


_CRC = _crc_table()


def crc32c(data, crc=0):
    crc ^= 0xFFFFFFFF
    for byte in data:
        crc = (crc >> 8) ^ _CRC[(crc ^ byte) & 0xFF]
    return crc ^ 0xFFFFFFFF


def zstd_stored(data):
    """A zstd frame that holds the data uncompressed (the format needs no compressor for that), but for blocks of one byte
    again and again, of which it says only how often."""
    frame = struct.pack("<IBI", 0xFD2FB528, 0xA0, len(data))  # single segment, 4-byte content size
    pieces = [data[at:at + 131072] for at in range(0, len(data), 131072)] or [b""]
    for number, piece in enumerate(pieces):
        repeats = len(piece) > 1 and piece == piece[:1] * len(piece)
        frame += struct.pack("<I", (len(piece) << 3) | (repeats << 1) | (number == len(pieces) - 1))[:3]
        frame += piece[:1] if repeats else piece
    return frame


def encode_chunk(header, body=b""):
    text, packed = jsonlib.dumps(header).encode(), zstd_stored(body)
    rest = struct.pack("<III", len(text), len(packed), len(body)) + text + packed
    return b"TGC1" + struct.pack("<I", crc32c(rest)) + rest


def chunk_header(data):
    """The JSON header of a chunk."""
    (json_size,) = struct.unpack_from("<I", data, 8)
    return jsonlib.loads(data[20:20 + json_size])


def game_chunk(counters=None, body=b"", **game):
    """A chunk of one small game, as a runner of the kind selfplay would send it; `game` overrides parts of its row."""
    row = {"board": 5, "komi": 7, "rules": "chinese", "black": "uct 1", "white": "uct 1", "result": "B+18", "moves": 2,
           "reason": "score", "note": "", "sgf": "(;FF[4]GM[1]SZ[5]KM[7]RE[B+18];B[cc];W[];B[])", **game}
    counts = {"games": 1, "black_wins": 1, "moves": 2, **(counters or {})}
    return encode_chunk({"type": "game", "units": 1, "counters": counts, "game": row}, body)


def encode_frame(header, body=b""):
    text = jsonlib.dumps(header).encode()
    rest = struct.pack("<I", len(text)) + text + body
    return struct.pack("<II", len(rest) + 4, crc32c(rest)) + rest


def decode_frames(data):
    """[(header, body)] of a runner's whole stdout."""
    frames, at = [], 0
    while at < len(data):
        size, crc, json_size = struct.unpack_from("<III", data, at)
        rest = data[at + 8:at + 4 + size]
        if crc32c(rest) != crc:
            raise Failure(f"frame at byte {at}: checksum does not match")
        frames.append((jsonlib.loads(rest[4:4 + json_size]), rest[4 + json_size:]))
        at += 4 + size
    return frames


# ---------------------------------------------------------------------------------------------------------------------
# Cases


def wait_for(condition, timeout, what, every=0.05):
    """Calls condition() until it is true and returns that; fails after `timeout` seconds (times TENGEN_TEST_SLOW), but not
    before half a minute: how soon it happens is no test's business, and a loaded machine takes its time."""
    timeout = max(timeout, 30)
    end = time.monotonic() + timeout * SLOW
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise Failure(f"waited {timeout * SLOW:.0f} s in vain for {what}")
        time.sleep(every)


def sqlite_rows(data, query):
    """What a coordinator's database holds; for what no call tells."""
    database = sqlite3.connect(f"file:{data}/tengen.db?mode=ro", uri=True)
    try:
        return database.execute(query).fetchall()
    finally:
        database.close()


def tail(text, lines=30):
    return "\n".join(text.splitlines()[-lines:])


class Case:
    """What a case function is given."""

    def __init__(self, name, reporter):
        self.name, self._reporter = name, reporter
        self.top = pathlib.Path(tempfile.mkdtemp(prefix="tengen-test-"))
        self.logs = self.folder("logs")
        self.programs, self._cleanups, self._folders, self.subtests = [], [], 0, 0

    # Starting things

    def server(self, **flags):
        """tengen-server, ready to answer (wait=False: just started). Flags: see Server and flags_of."""
        return Server(self, **flags)

    def worker(self, server, **flags):
        """tengen-worker for a Server or an address."""
        return Worker(self, server, **flags)

    def start(self, *arguments, **more):
        """Any other program, in the background."""
        return Program(self, arguments, **more)

    def run(self, *arguments, input=None, timeout=60, env=None, check=None):
        """Runs a program to its end: a CompletedProcess with bytes. check: the exit code that it must have."""
        arguments = [str(a) for a in arguments]
        try:
            done = subprocess.run(arguments, input=input, stdin=subprocess.DEVNULL if input is None else None,
                                  capture_output=True, timeout=timeout * SLOW, start_new_session=True,
                                  env={**os.environ, **(env or {})}, check=False)
        except subprocess.TimeoutExpired:
            raise Failure(f"{' '.join(arguments)}: not done within {timeout * SLOW:.0f} s") from None
        errors = done.stderr.decode(errors="replace")
        if SANITIZER_REPORT.search(errors):
            raise Failure(f"{' '.join(arguments)}: a sanitizer complained:\n{tail(errors, 60)}")
        if check is not None and done.returncode != check:
            raise Failure(f"{' '.join(arguments)}: exit code {done.returncode}, expected {check}\n"
                          f"{tail(done.stdout.decode(errors='replace'))}\n{tail(errors)}")
        return done

    def tool(self, name, *arguments, **more):
        """Runs one of our programs to its end."""
        return self.run(program(name), *arguments, **more)

    def folder(self, name):
        """A new empty folder that goes when the case ends."""
        path = pathlib.Path(tempfile.mkdtemp(prefix=name + "-", dir=self.top))
        return path

    def slow_engine(self):
        """(flag, go): `engine=flag` gives an agent the engine `slow` (SLOW_ENGINE); go.touch() makes it hurry. A game of a
        teacher's job is two of its moves, so it takes 0.4 s on any machine."""
        folder = self.folder("engine")
        path, go = folder / "slow", folder / "go"
        path.write_text(SLOW_ENGINE.replace("GO", str(go)))
        path.chmod(0o755)
        return f"slow={path}", go

    def certificate(self, address="127.0.0.1"):
        """(certificate, key): new files of a self-signed certificate for the address."""
        if not shutil.which("openssl"):
            self.skip("there is no openssl to make a certificate with")
        folder = self.folder("tls")
        cert, key = folder / "cert.pem", folder / "key.pem"
        self.run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days",
                 "2", "-keyout", key, "-out", cert, "-subj", "/CN=localhost", "-addext", f"subjectAltName=IP:{address}",
                 check=0)
        return cert, key

    def cleanup(self, function, *arguments):
        """Called when the case ends, last in first out."""
        self._cleanups.append((function, arguments))

    # Checks

    def true(self, value, what):
        if not value:
            raise Failure(f"{what}: expected something true, got {value!r}")
        return value

    def equal(self, got, expected, what):
        if got != expected:
            raise Failure(f"{what}: expected {expected!r}, got {got!r}")

    def contains(self, whole, part, what):
        if part not in whole:
            raise Failure(f"{what}: expected {part!r} in {whole!r}")

    def at_least(self, got, least, what):
        if not got >= least:
            raise Failure(f"{what}: expected at least {least!r}, got {got!r}")

    def at_most(self, got, most, what):
        if not got <= most:
            raise Failure(f"{what}: expected at most {most!r}, got {got!r}")

    def problem(self, answer, status, code, field=None):
        """The answer is a problem document with this status and code (and field), and says something."""
        self.equal((answer.status, answer.headers.get("Content-Type")), (status, "application/problem+json"),
                   f"status and type of {answer!r}")
        document = answer.json
        self.equal((document.get("code"), document.get("status")), (code, status), f"code of {document!r}")
        if field is not None:
            self.equal(document.get("field"), field, f"field of {document!r}")
        self.true(document.get("detail"), f"a sentence for people in {document!r}")
        return document

    def fail(self, text):
        raise Failure(text)

    def skip(self, reason):
        raise Skip(reason)

    def note(self, text):
        """A TAP comment."""
        self._reporter.comment(text)

    @contextlib.contextmanager
    def subtest(self, name):
        """A part of the case with a result line of its own; the case goes on after its failure."""
        self.subtests += 1
        full = f"{self.name}: {name}"
        try:
            yield
        except Skip as skip:
            self._reporter.skipped(full, str(skip))
        except (TimedOut, KeyboardInterrupt):
            raise
        except Exception as error:  # pylint: disable=broad-except
            self._reporter.failed(full, describe(error), self)
        else:
            self._reporter.passed(full)

    # The end

    def close(self):
        """Takes everything down; returns the complaints about programs."""
        complaints = [text for text in (p.complaint() for p in self.programs) if text]
        problems = []
        for function, arguments in reversed(self._cleanups):
            try:
                function(*arguments)
            except Exception as error:  # pylint: disable=broad-except
                problems.append(f"cleaning up: {describe(error)}")
        for each in self.programs:
            if each.running():
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(each.pid, signal.SIGKILL)
                each.process.wait()
        _kill_descendants()
        return complaints + problems

    def remove(self):
        shutil.rmtree(self.top, ignore_errors=True)


def describe(error):
    if isinstance(error, Failure):
        where = [f"{pathlib.Path(f.filename).name}:{f.lineno}" for f in traceback.extract_tb(error.__traceback__)
                 if f.filename != __file__]
        return f"{error}\n  at {' < '.join(reversed(where))}"
    name = type(error).__name__
    return f"{name}: {error}\n" + "".join(traceback.format_exception(error)).rstrip()


class Reporter:
    """TAP on stdout."""

    def __init__(self):
        self.count = self.failures = 0

    def _line(self, ok, name, more=""):
        self.count += 1
        print(f"{'ok' if ok else 'not ok'} {self.count} - {name.replace('#', '')}{more}", flush=True)

    def comment(self, text):
        for line in str(text).splitlines():
            print(f"# {line}", flush=True)

    def passed(self, name):
        self._line(True, name)

    def skipped(self, name, reason):
        self._line(True, name, f" # SKIP {reason}")

    def failed(self, name, text, case):
        self.failures += 1
        self._line(False, name)
        self.comment(text)
        for each in case.programs:
            self.comment(f"--- the end of {each.name}'s log (pid {each.pid})")
            self.comment(tail(each.log(), 60 if SANITIZER_REPORT.search(each.log()) else 25))


def _run_case(function, reporter, timeout):
    name = function.__name__.replace("_", " ")
    case, error = Case(name, reporter), None

    def alarm(_number, _frame):
        raise TimedOut(f"not done within {timeout * SLOW:.0f} s")

    signal.signal(signal.SIGALRM, alarm)
    signal.setitimer(signal.ITIMER_REAL, timeout * SLOW)
    try:
        function(case)
    except Exception as caught:  # pylint: disable=broad-except
        error = caught
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        complaints = case.close()
    before = reporter.failures
    if isinstance(error, Skip) and not complaints:
        reporter.skipped(name, str(error))
    elif error or complaints:
        reporter.failed(name, "\n".join(([describe(error)] if error else []) + complaints), case)
    elif not case.subtests:
        reporter.passed(name)
    if KEEP and reporter.failures > before:
        reporter.comment(f"kept: {case.top}")
    else:
        case.remove()


def run(*cases, timeout=60):
    """Runs the cases in order and ends the process: 0 when none failed. Arguments on the command line choose cases by
    a part of their name. A case may carry its own limit as an attribute: case.timeout = 300."""
    _libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)

    def terminated(_number, _frame):
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, terminated)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # whoever starts us in the background has it ignored
    wanted = [c for c in cases if not sys.argv[1:] or any(word in c.__name__ for word in sys.argv[1:])]
    reporter = Reporter()
    print("TAP version 13", flush=True)
    try:
        for case in wanted:
            _run_case(case, reporter, getattr(case, "timeout", timeout))
    except KeyboardInterrupt:
        print("Bail out! interrupted", flush=True)
        sys.exit(130)
    print(f"1..{reporter.count}", flush=True)
    if not reporter.count:
        print("Bail out! no case was run", flush=True)
    sys.exit(1 if reporter.failures or not reporter.count else 0)
