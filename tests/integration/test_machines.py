"""Other machines: agents in network namespaces of their own join over TLS by token, lose the link and lose packets,
and nothing is lost or doubled.

    namespace of this process              a namespace for each agent
    +--------------------------------+     +------------------------+
    | tengen-server    10.77.0.1     |     | tengen-worker          |
    |   bridge lan ----- port1 ======|=====|== eth0  10.77.0.11     |
    |              \\---- port2 ======|==...                         |
    +--------------------------------+

The process leaves its own network namespace before it starts anything, so the host's network is not touched.
"""
# run_tests: timeout=500

import ctypes
import os
import shutil
import subprocess
import time

import harness

CLONE_NEWNET = 0x40000000
SERVER = "10.77.0.1"
# An agent behind a dead link is given up after `lease_s`; the full form loses the link for a minute.
LEASE_S, OUTAGE_S = (3, 6) if harness.QUICK else (20, 60)


def sh(*arguments):
    done = subprocess.run([str(a) for a in arguments], capture_output=True, check=False)
    if done.returncode != 0:
        raise harness.Failure(f"{' '.join(map(str, arguments))}: {done.stderr.decode().strip()}")


def enter_a_network_of_our_own(t):
    for tool in ("ip", "nsenter", "unshare"):
        if not shutil.which(tool, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin"):
            t.skip(f"{tool} is not installed")
    os.environ["PATH"] = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWNET) != 0:
        t.skip(f"network namespaces are not permitted here: {os.strerror(ctypes.get_errno())}")
    try:
        sh("ip", "link", "set", "lo", "up")
        sh("ip", "link", "add", "lan", "type", "bridge")
        sh("ip", "address", "add", SERVER + "/24", "dev", "lan")
        sh("ip", "link", "set", "lan", "up")
    except harness.Failure as failure:
        t.skip(f"no bridge can be made here: {failure}")


class Machine:
    """A network namespace with one cable to the bridge."""

    def __init__(self, t, number):
        self.port, self.address = f"port{number}", f"10.77.0.{10 + number}"
        self.holder = t.start("unshare", "--net", "sleep", "infinity", name=f"machine{number}")
        self.holder.ending_is_ours = True
        own = os.readlink("/proc/self/ns/net")
        harness.wait_for(lambda: os.readlink(f"/proc/{self.holder.pid}/ns/net") != own, 10, "the new namespace")
        self.inside = ("nsenter", "--target", str(self.holder.pid), "--net", "--")
        sh("ip", "link", "add", self.port, "type", "veth", "peer", "name", "eth0", "netns", self.holder.pid)
        sh("ip", "link", "set", self.port, "master", "lan", "up")
        sh(*self.inside, "ip", "address", "add", self.address + "/24", "dev", "eth0")
        sh(*self.inside, "ip", "link", "set", "lo", "up")
        sh(*self.inside, "ip", "link", "set", "eth0", "up")

    def cable(self, state):
        sh("ip", "link", "set", self.port, state)


def lose_packets(share):
    """Drops a share of all packets in both directions; returns how, or None where the kernel has no way."""
    netem = ["tc", "qdisc", "add", "dev", "lan", "root", "netem", "loss", f"{share:.0%}"]
    if shutil.which("tc") and subprocess.run(netem, capture_output=True, check=False).returncode == 0:
        return "tc netem"
    rule = ["-m", "statistic", "--mode", "random", "--probability", str(share), "-j", "DROP"]
    for tables in ("iptables", "iptables-legacy"):
        if shutil.which(tables) and all(
                subprocess.run([tables, "-A", chain, *rule], capture_output=True, check=False).returncode == 0
                for chain in ("INPUT", "OUTPUT")):
            return f"{tables} -m statistic"
    return None


def find_no_loss():
    subprocess.run(["tc", "qdisc", "del", "dev", "lan", "root"], capture_output=True, check=False)
    for tables in ("iptables", "iptables-legacy"):
        if shutil.which(tables):
            subprocess.run([tables, "-F"], capture_output=True, check=False)


class Lab:
    """The coordinator, two machines with an agent each, and one job that outlasts the test's troubles."""

    def __init__(self, t):
        self.t = t
        enter_a_network_of_our_own(t)
        self.cert, key = t.certificate(SERVER)
        data = t.folder("data")
        # Tokens first, on loopback: without one a coordinator refuses to listen beyond it.
        first = t.server(data=data)
        admin = first.create_token("admin")
        self.worker_token = first.create_token("worker", api=first.api_as(admin))
        t.equal(first.stop(), 0, "exit code")
        self.server = t.server(data=data, token=admin, host=SERVER, tls_ca=self.cert, bind=SERVER, tls_cert=self.cert,
                               tls_key=key, lease_s=LEASE_S)
        self.machines = [Machine(t, 1), Machine(t, 2)]
        self.agents = [
            t.worker(self.server, token=self.worker_token, name=f"machine {n + 1}", runners=1, ca_file=self.cert,
                     prefix=machine.inside) for n, machine in enumerate(self.machines)]

    def answer(self, method, path, **more):
        """The answer to a call; None when packets that were lost kept the request or the answer from arriving in time."""
        try:
            answer = self.server.api.call(method, path, **more)
        except OSError:
            return None
        return None if answer.status == 408 else answer

    def both_are_free(self):
        """Before a job is submitted: else one machine may have done all of it before the other asks for work."""
        self.server.wait_parked(2)

    def submit(self, games):
        document = {"kind": "selfplay", "name": "far", "config": {
            "games": games, "games_per_task": 2, "board": 7, "player": {"type": "uct", "playouts": 300}}}
        key = {"Idempotency-Key": os.urandom(8).hex()}
        answer = harness.wait_for(lambda: self.answer("POST", "/api/v1/jobs", json=document, headers=key), 120, "a job")
        self.t.equal(answer.status, 201, f"the job: {answer!r}")
        return answer.json["id"]

    def seen_ms(self, name):
        """When the coordinator last heard of the worker; 0: never."""
        return {w["name"]: w["seen_ms"] or 0 for w in self.server.api.pages("/api/v1/workers")}.get(name, 0)

    def wait_for_both(self, since_ms):
        for name in ("machine 1", "machine 2"):
            harness.wait_for(lambda name=name: self.seen_ms(name) > since_ms, 120, f"a sign of life of {name}")

    def job(self, job):
        return self.server.api.expect(200, "GET", f"/api/v1/jobs/{job}")

    def done_by(self, job):
        """Tasks done, by the name of the worker."""
        tasks = self.server.api.pages(f"/api/v1/jobs/{job}/tasks")
        return {f"machine {n}": sum(x["state"] == "done" and x["worker_name"] == f"machine {n}" for x in tasks)
                for n in (1, 2)}

    def wait_for_end(self, job):
        def ended():
            answer = self.answer("GET", f"/api/v1/jobs/{job}")
            return answer and answer.json["state"] in ("succeeded", "failed", "cancelled")

        harness.wait_for(ended, 150, f"job {job} to end", every=0.3)

    def all_is_there_once(self, job, games):
        t = self.t
        self.wait_for_end(job)
        state = self.job(job)
        t.equal((state["state"], state["error"]), ("succeeded", None), "how the job ended")
        t.equal(state["units"], {"total": games, "done": games, "leased": 0}, "games")
        t.equal(len(self.server.api.pages(f"/api/v1/jobs/{job}/games")), games, "games listed")

    def close(self):
        for agent in self.agents:
            self.t.equal(agent.stop(60), 0, "exit code of an agent")
        self.t.equal(self.server.stop(), 0, "exit code of the coordinator")
        self.t.tool("tengen-server", "--check", "--data", self.server.data, check=0)


def two_machines_join_over_tls_and_survive_their_network(t):
    lab = Lab(t)
    with t.subtest("both join by token and work"):
        lab.both_are_free()
        job = lab.submit(40)
        harness.wait_for(lambda: min(lab.done_by(job).values()) >= 1, 60, "a task done by each machine")
        lab.all_is_there_once(job, 40)
    with t.subtest("one loses its link and comes back"):
        one_loses_its_link(t, lab)
    with t.subtest("both lose packets"):
        both_lose_packets(t, lab)
    lab.close()


def one_loses_its_link(t, lab):
    games = 60 if harness.QUICK else 300
    lab.both_are_free()
    job = lab.submit(games)
    harness.wait_for(lambda: min(lab.done_by(job).values()) >= 1, 60, "a task done by each machine")
    lab.machines[0].cable("down")
    time.sleep(OUTAGE_S)
    states = {worker["name"]: worker["state"] for worker in lab.server.api.pages("/api/v1/workers")}
    t.note(f"workers during the outage: {states}")
    t.true(lab.agents[0].running(), "the agent without a link waits")
    before = lab.done_by(job)["machine 1"]
    last = max(lab.seen_ms("machine 1"), lab.seen_ms("machine 2"))
    lab.machines[0].cable("up")
    lab.wait_for_both(last)
    jobs = [job]

    def works_again():
        """There is always a job while one waits: its next call for work may come later than its first word."""
        if lab.job(jobs[-1])["state"] == "succeeded":
            jobs.append(lab.submit(40))
        return sum(lab.done_by(one)["machine 1"] for one in jobs) > before

    harness.wait_for(works_again, 120, "work of the machine that came back", every=0.3)
    lab.all_is_there_once(job, games)
    for one in jobs[1:]:
        lab.all_is_there_once(one, 40)


def both_lose_packets(t, lab):
    how = lose_packets(0.15)
    if not how:
        t.skip("this kernel has neither netem nor the statistic match of iptables")
    t.note(f"15 % of all packets are lost each way ({how})")
    try:
        job = lab.submit(30)
        lab.wait_for_end(job)
    finally:
        find_no_loss()
    lab.all_is_there_once(job, 30)


def a_machine_without_a_token_is_refused_before_any_work(t):
    enter_a_network_of_our_own(t)
    cert, key = t.certificate(SERVER)
    data = t.folder("data")
    first = t.server(data=data)
    admin = first.create_token("admin")
    first.stop()
    server = t.server(data=data, token=admin, host=SERVER, tls_ca=cert, bind=SERVER, tls_cert=cert, tls_key=key)
    machine = Machine(t, 1)
    with t.subtest("no token"):
        agent = t.worker(server, ca_file=cert, prefix=machine.inside, runners=1)
        harness.wait_for(lambda: "token" in agent.log(), 20, "a word about the token in the log")
        agent.kill(group=True)
    with t.subtest("a token that nobody made"):
        agent = t.worker(server, token="tg_" + "A" * 43, ca_file=cert, prefix=machine.inside, runners=1)
        harness.wait_for(lambda: "oken" in agent.log(), 20, "a word about the token in the log")
        t.true("A" * 43 not in agent.log(), "the token is not in the log")
        agent.kill(group=True)
    t.equal(server.api.pages("/api/v1/workers"), [], "workers that were registered")


def beyond_loopback_nothing_is_served_without_tokens(t):
    enter_a_network_of_our_own(t)
    done = t.tool("tengen-server", "--port", 0, "--data", t.folder("data"), "--bind", SERVER, timeout=20)
    t.true(done.returncode > 0, f"exit code {done.returncode}")
    t.contains(done.stderr.decode(), "token", "the reason")


if __name__ == "__main__":
    harness.run(beyond_loopback_nothing_is_served_without_tokens,
                a_machine_without_a_token_is_refused_before_any_work,
                two_machines_join_over_tls_and_survive_their_network, timeout=450)
