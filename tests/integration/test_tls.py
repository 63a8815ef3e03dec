"""TLS that does not work says what to do: a certificate that is another, expired, not valid yet or for another name; a server
without TLS, or with it."""

import shutil

import harness

CONFIG = """[ca]
default_ca = this
[this]
database = {folder}/index
new_certs_dir = {folder}
default_md = sha256
policy = any
rand_serial = yes
copy_extensions = copy
[any]
commonName = optional
"""


def certificate(t, name="IP:127.0.0.1", begins="20200101000000Z", ends="20990101000000Z"):
    """A self-signed certificate: (its file, its key's file)."""
    folder = t.folder("tls")
    (folder / "index").touch()
    (folder / "ca.conf").write_text(CONFIG.format(folder=folder))
    cert, key, request = folder / "cert.pem", folder / "key.pem", folder / "request.pem"
    t.run("openssl", "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj", "/CN=test",
          "-addext", f"subjectAltName={name}", "-keyout", key, "-out", request, check=0)
    t.run("openssl", "ca", "-batch", "-selfsign", "-notext", "-config", folder / "ca.conf", "-keyfile", key,
          "-in", request, "-out", cert, "-startdate", begins, "-enddate", ends, check=0)
    return cert, key


def whoami(t, url, ca=None):
    flags = ["--ca-file", ca] if ca else []
    return t.tool("tengen", "whoami", "--server", url, *flags, check=3).stderr.decode()


def both_say(t, url, words, ca=None):
    """What a person and an agent are told who come with this --ca-file."""
    t.contains(whoami(t, url, ca), words, "what the client says")
    agent = t.worker(url, ca_file=ca)
    harness.wait_for(lambda: "no connection" in agent.log(), 30, "the agent's reason")
    t.contains(agent.log(), words, "what the agent says")
    t.equal(agent.stop(), 0, "the agent's exit code")


def port_of(t, cert, key):
    """The port of a server with TLS that nobody may be able to speak with."""
    server = t.server(wait=False, tls_cert=cert, tls_key=key)
    file = server.port_file
    harness.wait_for(lambda: file.exists() and file.read_text().strip(), 30, "the port")
    return int(file.read_text())


def certificates_that_do_not_do(t):
    if not shutil.which("openssl"):
        t.skip("there is no openssl to make a certificate with")
    good, key = certificate(t)
    stranger, _ = certificate(t)
    port = port_of(t, good, key)
    url = f"https://127.0.0.1:{port}"
    with t.subtest("one that nobody vouches for"):
        both_say(t, url, "needs --ca-file: a copy of the file of its --tls-cert")
    with t.subtest("another than --ca-file"):
        both_say(t, url, "--ca-file holds another certificate than this server's", stranger)
    with t.subtest("a file without a certificate"):
        both_say(t, url, "--ca-file must name a readable PEM file", key)
    with t.subtest("no file"):
        t.contains(whoami(t, url, "/nonexistent.pem"), "--ca-file must name a readable PEM file", "what the client says")
        done = t.tool("tengen-worker", "--server", url, "--data", t.folder("agent"), "--ca-file", "/nonexistent.pem", check=1)
        t.contains(done.stderr.decode(), "/nonexistent.pem cannot be read", "what the agent says")
    with t.subtest("no TLS where there is some"):
        plain, words = f"http://127.0.0.1:{port}", "use https:// instead of http://"
        t.contains(t.tool("tengen", "whoami", "--server", plain, check=1).stderr.decode(), words, "what the client says")
        agent = t.worker(plain)
        harness.wait_for(lambda: words in agent.log(), 30, "the agent to say it")
        agent.stop()
    with t.subtest("the right one"):
        t.tool("tengen", "whoami", "--server", url, "--ca-file", good, check=0)
    plain = t.server()
    with t.subtest("TLS where there is none"):
        both_say(t, plain.url.replace("http:", "https:"), "if the server has no TLS, its address begins with http://", good)
    cases = {
        "one for another name": (dict(name="DNS:example.org"), "use a name of the server that its certificate has"),
        "one that has expired": (dict(ends="20210101000000Z"), "the server's certificate has expired"),
        "one that is not valid yet": (dict(begins="20980101000000Z"), "the server's certificate is not valid yet"),
    }
    for case, (how, words) in cases.items():
        with t.subtest(case):
            cert, key = certificate(t, **how)
            both_say(t, f"https://127.0.0.1:{port_of(t, cert, key)}", words, cert)


if __name__ == "__main__":
    harness.run(certificates_that_do_not_do, timeout=120)
