"""A coordinator for testing the agent: it speaks docs/protocol.md, keeps everything in memory, and misbehaves on demand.

    fake = FakeCoordinator()
    fake.add_task(units=3, config={...})
    fake.fault = lambda request: status(503, retry_after=2) if request.path.endswith("/done") else None
    ...
    fake.stop(); fake.start()      # away and back, on the same port, with the same memory

It is as strict as the real one where the agent could cheat: chunks are unique by (task, attempt, number), a repeated one
must be byte for byte the same, `done` must name exactly the chunks that are there, and a lost lease refuses what is new.
"""

import collections
import http.server
import json
import re
import socket
import struct
import threading
import time
import urllib.parse

import harness

Request = collections.namedtuple("Request", "time method path query headers size")


class Fault:
    """What a handler does instead of answering; made by the functions below."""

    def __init__(self, **what):
        self.__dict__.update(status=None, retry_after=None, delay=0, drop_after=None, drop_before=False, code="busy", hold=None)
        self.__dict__.update(what)


def status(number, retry_after=None, code="busy"):
    return Fault(status=number, retry_after=retry_after, code=code)


def slow(seconds):
    return Fault(delay=seconds)


def hold_until(what):
    """Answers once what() is true (called under the coordinator's lock)."""
    return Fault(hold=what)


def cut_body_after(count):
    """Reads so many bytes of the request and closes the connection."""
    return Fault(drop_after=count)


def lose_answer():
    """Does what was asked and closes the connection without saying so."""
    return Fault(drop_before=True)


class _Server(http.server.ThreadingHTTPServer):
    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 64

    def handle_error(self, request, client_address):
        pass  # connections that we or the agent cut


class FakeCoordinator:
    def __init__(self, token=None, beat_s=1):
        self.token, self.beat_s = token, beat_s
        self.lock = threading.Condition()
        self.workers = {}  # instance -> id
        self.registrations = []
        self.tasks = {}
        self.files = {}  # sha256 -> bytes
        self.streams = {}  # job -> [(cursor, chunk)], given in pages of three
        self.requests, self.beats, self.failures = [], [], []
        self.goodbyes = []  # what each agent that left keeps
        self.fault = lambda request: None
        self.actions = {}  # task -> what its next beats are answered
        self.drain = False
        self.clock_ahead_s = 0  # of what its answers say the time is
        self.port, self.server = 0, None
        self.sockets = set()
        self.start()

    # ---- life

    def start(self):
        coordinator = self

        class Handler(_Handler):
            owner = coordinator

        self.server = _Server(("127.0.0.1", self.port), Handler)
        self.port = self.server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}"
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    def stop(self):
        """Closes the port and cuts every connection, as a crash does."""
        server, self.server = self.server, None
        if not server:
            return
        server.shutdown()
        server.server_close()
        with self.lock:
            sockets, self.sockets = self.sockets, set()
            self.lock.notify_all()
        for one in sockets:
            try:
                one.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    # ---- what tests set up and look at

    def add_task(self, units=1, config=None, inputs=None, resume=None, hang_s=0, memory_bytes=0, kind="selfplay"):
        with self.lock:
            number = len(self.tasks) + 1
            self.tasks[number] = {
                "state": "pending", "attempt": 0, "worker": None, "units": units, "units_done": 0, "chunks": {},
                "order": [], "done": None, "fails": [],
                "document": {"id": number, "job": 1, "job_name": "test", "kind": kind, "index": number - 1,
                             "units": units, "seed": number, "config": config or {}, "inputs": inputs or {}, "resume": resume,
                             "hang_s": hang_s, "memory_bytes": memory_bytes},
            }
            self.lock.notify_all()
            return number

    def lapse(self, number):
        """The lease is lost; the task waits for its next attempt."""
        with self.lock:
            self._requeue(self.tasks[number])

    def cancel(self, number):
        with self.lock:
            self.tasks[number].update(state="cancelled", worker=None)
            self.lock.notify_all()

    def wait(self, what, timeout, description):
        """Waits until what() is true (called under the lock)."""
        with self.lock:
            if not self.lock.wait_for(what, timeout * harness.SLOW):
                raise AssertionError(f"waited {timeout} s for {description}")

    def units_of(self, number):
        """The unit numbers in the stored chunks of a task, all attempts, in the order of storing."""
        return [unit for key in self.tasks[number]["order"] for unit in units_in(self.tasks[number]["chunks"][key])]

    def count(self, pattern):
        return sum(1 for r in self.requests if re.search(pattern, f"{r.method} {r.path}"))

    # ---- the protocol

    def _requeue(self, task):
        task["units_done"] = sum(len(units_in(b)) for b in task["chunks"].values())
        task.update(state="pending", worker=None)
        self.lock.notify_all()

    def _holds(self, task, worker, attempt):
        return task and task["state"] == "leased" and task["worker"] == worker and task["attempt"] == attempt

    def register(self, body):
        if body["protocol"]["min"] > 1 or body["protocol"]["max"] < 1:
            return 409, problem("protocol_mismatch", 409)
        new = body["instance"] not in self.workers
        number = self.workers.setdefault(body["instance"], len(self.workers) + 1)
        self.registrations.append(body)
        return 201 if new else 200, {"id": number, "protocol": 1, "beat_s": self.beat_s, "lease_s": 3 * self.beat_s}

    def lease(self, worker, body):
        if worker not in self.workers.values():
            return 404, problem("not_found", 404)
        held = [h for h in body["holding"] if self._holds(self.tasks.get(h["task"]), worker, h["attempt"])]
        for number, task in self.tasks.items():  # what it does not name it has forgotten
            if task["state"] == "leased" and task["worker"] == worker and number not in [h["task"] for h in held]:
                self._requeue(task)
        if body.get("leaving"):
            self.goodbyes.append(body["holding"])
            return 200, {"tasks": [], "held": held}
        deadline, server = time.monotonic() + body["wait_s"], self.server
        while True:
            given = []
            for task in self.tasks.values():
                if task["state"] == "pending" and len(given) < body["free"] and not self.drain:
                    given.append(self._give(task, worker))
            left = deadline - time.monotonic()
            if given or left <= 0 or self.drain or self.server is not server:
                break
            self.lock.wait(left)
        answer = {"tasks": given, "held": held}
        if not given:
            answer["wait_reason"] = "no job is queued"
        if self.drain:
            answer["drain"] = True
        return 200, answer

    def _give(self, task, worker):
        task.update(state="leased", worker=worker, attempt=task["attempt"] + 1)
        return {**task["document"], "attempt": task["attempt"], "units_done": task["units_done"]}

    def beat(self, number, body):
        if number not in self.tasks:
            return 404, problem("not_found", 404)
        if not self._holds(self.tasks.get(number), body["worker"], body["attempt"]):
            return 409, problem("lease_lost", 409)
        self.beats.append((time.monotonic(), number, body))
        return 200, {"action": self.actions.get(number, "continue"), "beat_s": self.beat_s}

    def chunk(self, number, query, body):
        task, key = self.tasks.get(number), (int(query["attempt"]), int(query["seq"]))
        if task is None:
            return 404, problem("not_found", 404)
        if key in task["chunks"]:
            same = task["chunks"][key] == body
            return (200, {"stored": True}) if same else (409, problem("chunk_conflict", 409))
        if not self._holds(task, int(query["worker"]), key[0]):
            return 409, problem("lease_lost", 409)
        task["chunks"][key] = body
        task["order"].append(key)
        return 201, {"stored": True}

    def done(self, number, body):
        task = self.tasks.get(number)
        if task and task["done"] and task["done"]["attempt"] == body["attempt"]:
            return 200, {}
        if not self._holds(task, body["worker"], body["attempt"]):
            return 409, problem("lease_lost", 409)
        numbers = sorted(seq for attempt, seq in task["chunks"] if attempt == body["attempt"])
        if numbers != list(range(body["chunks"])):
            return 409, problem("chunks_missing", 409)
        if "units" in body and body["units"] + task["units_done"] < task["units"]:
            self._requeue(task)
            return 200, {}
        task.update(state="done", done=body)
        return 200, {}

    def fail(self, number, body):
        task = self.tasks.get(number)
        if not self._holds(task, body["worker"], body["attempt"]):
            return 409, problem("lease_lost", 409)
        task["fails"].append(body)
        self.failures.append((number, body))
        if len(task["fails"]) >= 5:
            task["state"] = "failed"
        else:
            self._requeue(task)
        return 200, {}

    def stream(self, job, after):
        page = [(cursor, chunk) for cursor, chunk in self.streams.get(job, []) if cursor > after][:3]
        return b"".join(struct.pack("<QI", cursor, len(chunk)) + chunk for cursor, chunk in page)

    def dispatch(self, method, path, query, body):
        """(status, body) of a request; body is JSON, or (bytes, headers)."""
        match = re.fullmatch(r"/api/v1/(workers|tasks)(?:/(\d+)/(\w+))?", path)
        if method != "POST" or not match:
            return 404, problem("not_found", 404)
        group, number, call = match.groups()
        with self.lock:
            if group == "tasks" and call == "chunks":
                answer = self.chunk(int(number), query, body)
            else:
                document = json.loads(body)
                if number is None:
                    answer = self.register(document)
                else:
                    answer = {"lease": self.lease, "beat": self.beat, "done": self.done,
                              "fail": self.fail}[call](int(number), document)
            self.lock.notify_all()
            return answer


def problem(code, number):
    return {"type": "about:blank", "title": code, "status": number, "code": code, "field": "", "detail": "told by the test"}


def units_in(chunk):
    """The unit numbers that the fake runner put into a chunk's header."""
    size = int.from_bytes(chunk[8:12], "little")
    return json.loads(chunk[20:20 + size]).get("numbers", [])


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    owner = None

    def setup(self):
        super().setup()
        with self.owner.lock:
            self.owner.sockets.add(self.connection)

    def finish(self):
        with self.owner.lock:
            self.owner.sockets.discard(self.connection)
        try:
            super().finish()
        except OSError:
            pass

    def log_message(self, *arguments):
        pass

    def _send(self, number, body, headers=None):
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        kind = "application/problem+json" if number >= 400 else "application/json"
        self.send_response(number)
        for name, value in {"Content-Type": kind, "Content-Length": len(data), **(headers or {})}.items():
            self.send_header(name, str(value))
        self.end_headers()
        self.wfile.write(data)

    def _hang_up(self):
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_RDWR)

    def _handle(self):
        owner = self.owner
        parts = urllib.parse.urlsplit(self.path)
        query = dict(urllib.parse.parse_qsl(parts.query))
        size = int(self.headers.get("Content-Length") or 0)
        request = Request(time.monotonic(), self.command, parts.path, query, self.headers, size)
        with owner.lock:
            owner.requests.append(request)
            fault = owner.fault(request) or Fault()
            owner.lock.notify_all()
        if fault.drop_after is not None and self.command == "POST":
            self.rfile.read(min(size, fault.drop_after))
            return self._hang_up()
        body = self.rfile.read(size)
        if fault.delay:
            time.sleep(fault.delay)
        if fault.hold:
            with owner.lock:
                owner.lock.wait_for(fault.hold, 600)
        if fault.status:
            more = {"Retry-After": fault.retry_after} if fault.retry_after is not None else {}
            return self._send(fault.status, problem(fault.code, fault.status), more)
        if owner.token and self.headers.get("Authorization") != f"Bearer {owner.token}":
            return self._send(401, problem("token_unknown", 401))
        if self.command == "GET" and parts.path.startswith("/api/v1/checkpoints/"):
            return self._file(parts.path.rpartition("/")[2], fault)
        if self.command == "GET" and parts.path.startswith("/api/v1/streams/"):
            return self._body(owner.stream(int(parts.path.rpartition("/")[2]), int(query.get("after", 0))), fault)
        answer = owner.dispatch(self.command, parts.path, query, body)
        if fault.drop_before:
            return self._hang_up()
        self._send(*answer)

    def _body(self, data, fault):
        self.send_response(200)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data[:fault.drop_after])
        if fault.drop_after is not None:
            self.wfile.flush()
            self._hang_up()

    def _file(self, digest, fault):
        data = self.owner.files.get(digest)
        if data is None:
            return self._send(404, problem("not_found", 404))
        etag, start = f'"{digest}"', 0
        wanted = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range") or "")
        if wanted and self.headers.get("If-Range") in (None, etag):
            start = int(wanted[1])
        if start >= len(data) > 0:
            return self._send(416, problem("range_not_satisfiable", 416))
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(data) - start))
        self.send_header("ETag", etag)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
        self.end_headers()
        end = len(data) if fault.drop_after is None else start + fault.drop_after
        self.wfile.write(data[start:end])
        if fault.drop_after is not None:
            self.wfile.flush()
            self._hang_up()

    def date_time_string(self, timestamp=None):
        return super().date_time_string((time.time() if timestamp is None else timestamp) + self.owner.clock_ahead_s)

    def do_POST(self):
        try:
            self._handle()
        except OSError:
            self.close_connection = True

    do_GET = do_POST
