"""The kinds classify and evaluate, and tengen-run dataset-check, on small data sets made here."""

import contextlib
import gzip
import hashlib
import io
import json
import os
import pathlib
import random
import signal
import struct
import tarfile
import time
import zlib

import harness

SIDE = 12


def image(rng, label):
    """Stripes across, stripes down, or neither, somewhere, with noise."""
    rows = [[rng.randrange(60) for _ in range(SIDE)] for _ in range(SIDE)]
    top, left = rng.randrange(6), rng.randrange(6)
    for y in range(top, top + 6):
        for x in range(left, left + 6):
            if (y % 2 == 0, x % 2 == 0, True)[label]:
                rows[y][x] = 200 + rng.randrange(50)
    return bytes(value for row in rows for value in row)


def idx(rank, sizes, values):
    return struct.pack(f">BBBB{rank}I", 0, 0, 8, rank, *sizes) + bytes(values)


def png(width, height, rows, color=0):
    """rows: the bytes of each row."""
    def chunk(name, body):
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
    raw = b"".join(b"\0" + row for row in rows)
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, color, 0, 0, 0)) +
            chunk(b"IDAT", zlib.compress(raw)) + chunk(b"IEND", b""))


def idx_files(train=90, test=30, seed=1):
    rng = random.Random(seed)
    files = {}
    for part, count in (("train", train), ("t10k", test)):
        labels = [n % 3 for n in range(count)]
        files[f"{part}-images-idx3-ubyte"] = idx(3, (count, SIDE, SIDE),
                                                 b"".join(image(rng, label) for label in labels))
        files[f"{part}-labels-idx1-ubyte"] = idx(1, (count,), labels)
    return files


def png_files(count=12, folders=("a", "b", "c"), prefix=""):
    rng = random.Random(2)
    files = {}
    for n in range(count):
        data = image(rng, n % 3)
        files[f"{prefix}{folders[n % 3]}/{n}.png"] = png(SIDE, SIDE, [data[y * SIDE:(y + 1) * SIDE]
                                                                     for y in range(SIDE)])
    return files


def folder_of(t, files, name="set"):
    folder = pathlib.Path(t.folder(name))
    for path, data in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(data)
    return folder


def tar_of(files, mode="w"):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode=mode) as archive:
        for name, data in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    return out.getvalue()


def check(t, path, code=0):
    done = t.tool("tengen-run", "dataset-check", path)
    t.equal(done.returncode, code, f"the exit code ({done.stderr})")
    return json.loads(done.stdout)


def sets_are_described(t):
    expected = {"format": "idx", "samples": 120, "train": 90, "test": 30, "classes": 3,
                "class_names": ["0", "1", "2"], "height": SIDE, "width": SIDE, "channels": 1}
    files = idx_files()
    t.equal(check(t, folder_of(t, files)), expected, "idx in a folder")
    packed = {name + ".gz": gzip.compress(data) for name, data in files.items()}
    t.equal(check(t, folder_of(t, packed)), expected, "idx.gz in a folder")
    path = folder_of(t, {"set": tar_of(packed, "w:xz")}) / "set"
    t.equal(check(t, path), expected, "idx.gz in a tar.xz without an ending")
    named = dict(files, **{"classes.txt": b"cat\r\ndog\n\nbird\nfish\n"})
    found = check(t, folder_of(t, named))
    t.equal((found["classes"], found["class_names"]), (4, ["cat", "dog", "bird", "fish"]), "names of classes")
    found = check(t, folder_of(t, png_files(folders=("10", "9", "x"))))
    t.equal((found["format"], found["train"], found["test"], found["class_names"]),
            ("png", 12, 0, ["9", "10", "x"]), "folders of PNG files")
    both = dict(png_files(prefix="train/"), **png_files(6, prefix="test/"))
    both["train/._a.png"] = b"what macOS leaves"
    found = check(t, folder_of(t, {"s.tar": tar_of(both)}) / "s.tar")
    t.equal((found["train"], found["test"], found["classes"]), (12, 6, 3), "parts of PNG folders in a tar")
    colour = dict(png_files(), **{"a/red.png": png(SIDE, SIDE, [b"\xff\0\0" * SIDE] * SIDE, color=2)})
    t.equal(check(t, folder_of(t, colour))["channels"], 3, "one image with colour makes the set one of colour")
    games = {"g/1.sgf": b"(;SZ[9];B[ee];W[cc])", "g/2.sgf": b"(;SZ[9];B[ee];W[ee])(;SZ[13];B[aa])"}
    t.equal(check(t, folder_of(t, games)),
            {"format": "sgf", "samples": 2, "games": 3, "usable": 2, "boards": {"9": 1, "13": 1}}, "games")
    done = t.tool("tengen-run", "dataset-check", "-", input=path.read_bytes())
    t.equal(json.loads(done.stdout), expected, "from the standard input")


def damage(files, name, change):
    return dict(files, **{name: change(files[name])})


def bad_sets_are_refused(t):
    files = idx_files(9, 3)
    images, labels, tested = "train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-labels-idx1-ubyte"
    rows = [bytes(SIDE)] * SIDE
    bomb = png(60000, 60000, [bytes(10)])
    cases = [
        ("wrong magic", damage(files, images, lambda d: b"\0\0\x0d" + d[3:]), "corrupt", images, "0x00000d03"),
        ("images that are labels", dict(files, **{images: files[labels]}), "corrupt", images, "should hold images"),
        ("cut off", damage(files, images, lambda d: d[:-1]), "truncated", images, "get it anew"),
        ("cut within its head", damage(files, labels, lambda d: d[:6]), "truncated", labels, "head"),
        ("bytes too many", damage(files, labels, lambda d: d + b"x"), "corrupt", labels, "behind the values"),
        ("fewer labels than images", dict(files, **{labels: idx(1, (8,), bytes(8))}), "invalid", labels,
         "8 labels, but"),
        ("no labels", {images: files[images]}, "invalid", images, "labels that belong to it are missing"),
        ("an unknown class in the test part", dict(files, **{tested: idx(1, (3,), [0, 1, 7])}), "out_of_range", tested,
         "label 7 is out of range"),
        ("a label without a name", dict(files, **{"classes.txt": b"a\nb\n"}), "out_of_range", labels,
         "label 2 of image 2"),
        ("test images of another size", dict(files, **{
            "t10k-images-idx3-ubyte": idx(3, (3, SIDE, SIDE - 1), bytes(3 * SIDE * (SIDE - 1)))}), "invalid",
         images, "11 wide and 12 high"),
        ("PNG files of different sizes", dict(png_files(), **{"a/x.png": png(5, 4, [bytes(5)] * 4)}), "invalid",
         "a/x.png", "is 5 wide and 4 high, other images"),
        ("a PNG bomb", dict(png_files(), **{"a/x.png": bomb}), "too_large", "a/x.png", "60000 wide and 60000 high"),
        ("a cut PNG", damage(png_files(), "a/0.png", lambda d: d[:60]), "corrupt", "a/0.png", "replace or remove"),
        ("a PNG in no folder", {"x.png": png(SIDE, SIDE, rows)}, "invalid", "x.png", "named after its class"),
        ("one class", {"a/x.png": png(SIDE, SIDE, rows)}, "invalid", "", "only one class"),
        ("both formats", dict(files, **png_files()), "invalid", "", "give them apart"),
        ("no usable game", {"g.sgf": b"(;SZ[9];B[ee];W[ee])"}, "not_found", "", "no usable game"),
        ("nothing known", {"readme.txt": b"hello"}, "not_found", "", "nothing that is known"),
    ]
    for what, case, code, field, text in cases:
        with t.subtest(what):
            error = check(t, folder_of(t, case), code=1)["error"]
            t.equal(error["code"], code, error["detail"])
            t.contains(error["field"], field, "the field")
            t.contains(error["detail"], text, "the reason")
    with t.subtest("a tar that unpacks to a thousand times its size"):
        large = tar_of({"a/x.png": png(SIDE, SIDE, rows), "zeros.txt": bytes(40 << 20)}, "w:xz")
        error = check(t, folder_of(t, {"s.tar.xz": large}) / "s.tar.xz", code=1)["error"]
        t.equal(error["code"], "too_large", error["detail"])
        t.contains(error["detail"], "a thousand times its size", "the reason")


CONFIG = {"network": {"family": "resnet", "stages": "8x1"}, "epochs": 12, "batch": 16, "learning_rate": 0.05,
          "warmup": 2, "shift": 0, "flip": False, "validation_share": 0.2, "seed": 5, "samples": 6,
          "checkpoint_seconds": 0}


def task_file(t, name, kind, config, inputs, **more):
    path = pathlib.Path(t.folder("task")) / f"{name}.json"
    path.write_text(json.dumps({"kind": kind, "config": config,
                                "inputs": {key: str(value) for key, value in inputs.items()}, **more}))
    return path


def train(t, data, out, config=None, code=0, inputs=None, **more):
    path = task_file(t, "train", "classify", dict(CONFIG, **(config or {})), dict(inputs or {}, data=data), **more)
    done = t.tool("tengen-run", path, "--json", "--out", out)
    t.equal(done.returncode, code, f"the exit code ({done.stderr})")
    return done


def it_learns_and_reports(t):
    data, out = folder_of(t, idx_files()), pathlib.Path(t.folder("out"))
    lines = [json.loads(line) for line in train(t, data, out).stdout.splitlines()]
    t.equal((lines[-1]["type"], lines[-1]["units"]), ("done", 1), "the end")
    names = {line["name"] for line in lines if line["type"] == "metric"}
    for name in ("loss", "accuracy", "lr", "epoch", "validation_accuracy", "validation_loss", "test_accuracy"):
        t.true(name in names, f"the metric {name}")
    summary = json.loads((out / "summary.json").read_text())
    t.equal((summary["test_accuracy"], summary["test_images"], summary["test_top5"]), (1.0, 30, 1.0), "the test")
    t.true(0.88 < summary["test_accuracy_low"] < 0.89, summary)
    confusion = json.loads((out / "confusion.json").read_text())
    t.equal(confusion, {"classes": ["0", "1", "2"], "matrix": [[10, 0, 0], [0, 10, 0], [0, 0, 10]]}, "confusion")
    samples = json.loads((out / "samples.json").read_text())["items"]
    t.equal(len({sample["png"] for sample in samples}), 6, "samples, each of another image")
    t.true(samples[0]["png"].startswith("iVBORw0KGgo"), "a PNG file in base64")
    with t.subtest("evaluate gives the same"):
        other = pathlib.Path(t.folder("other"))
        path = task_file(t, "score", "evaluate", {"seed": 1}, {"network": out / "checkpoint.safetensors", "data": data})
        t.tool("tengen-run", path, "--json", "--out", other, check=0)
        found = json.loads((other / "summary.json").read_text())
        t.equal((found["test_accuracy"], found["test_loss"]), (summary["test_accuracy"], summary["test_loss"]),
                "its scores")
    learnt = {name: body for name, body in idx_files().items() if not name.startswith("t10k")}
    for what, part, data_set, prefix, images in (
            ("the train part", "train", data, "train_", 90), ("a set without parts", "test", folder_of(t, learnt), "", 90)):
        with t.subtest(f"evaluate names its figures by what it scores: {what}"):
            other = pathlib.Path(t.folder("other"))
            path = task_file(t, "score", "evaluate", {"part": part}, {"network": out / "checkpoint.safetensors", "data": data_set})
            t.tool("tengen-run", path, "--json", "--out", other, check=0)
            found = json.loads((other / "summary.json").read_text())
            t.equal(set(found), {prefix + name for name in ("accuracy", "accuracy_low", "accuracy_high", "loss", "top5", "images")},
                    "the figures")
            t.equal(found[f"{prefix}images"], images, "how many")
    with t.subtest("a checkpoint to begin with"):
        more = pathlib.Path(t.folder("more"))
        train(t, data, more, {"epochs": 1, "learning_rate": 1e-6}, inputs={"network": out / "checkpoint.safetensors"})
        t.equal(json.loads((more / "summary.json").read_text())["test_accuracy"], 1.0, "what it knew it knows")


def classes_that_do_not_occur_are_left_out(t):
    rng, labels = random.Random(4), [250 * (n % 2) for n in range(20)]
    images = b"".join(image(rng, n % 2) for n in range(20))
    files = {"train-images-idx3-ubyte": idx(3, (20, SIDE, SIDE), images),
             "train-labels-idx1-ubyte": idx(1, (20,), labels)}
    out = pathlib.Path(t.folder("gaps"))
    train(t, folder_of(t, files, "gaps-set"), out, {"epochs": 6, "test_share": 0.4, "samples": 0})
    confusion = json.loads((out / "confusion.json").read_text())
    t.true({"0", "250"} <= set(confusion["classes"]) and len(confusion["classes"]) < 10, confusion)
    t.equal([len(row) for row in confusion["matrix"]], len(confusion["classes"]) * [len(confusion["classes"])], "a square")
    t.equal(sum(map(sum, confusion["matrix"])), 8, "the test images")
    items = json.loads((out / "classes.json").read_text())["items"]
    t.equal([item["class"] for item in items], ["0", "250"], "accuracy by class")
    t.equal([item["count"] for item in items],
            [sum(confusion["matrix"][confusion["classes"].index(name)]) for name in ("0", "250")], "their images")


def every_family_trains(t):
    data = folder_of(t, png_files(60))
    networks = {
        "vgg": {"stages": "8 / 16"}, "googlenet": {"width": 0.05, "stem_stride": 2},
        "densenet": {"blocks": "2 / 2", "growth": 4}, "transformer": {"layers": 1, "width": 16, "heads": 2},
        "resnet": {"stages": "8x1 / 16x1", "form": "preactivation", "squeeze": 4},
    }
    for family, more in networks.items():
        with t.subtest(family):
            out = pathlib.Path(t.folder(family))
            train(t, data, out, {"network": dict(more, family=family), "epochs": 2})
            summary = json.loads((out / "summary.json").read_text())
            t.equal((summary["family"], summary["test_images"]), (family, 9), "the summary")
    with t.subtest("a description of one's own"):
        out = pathlib.Path(t.folder("own"))
        own = json.dumps({"trunk": {"family": "vgg", "stages": "4", "pool": False}})
        train(t, data, out, {"network": {}, "architecture": own, "epochs": 1})


def one_seed_gives_one_network(t):
    data = folder_of(t, idx_files())
    found = []
    for n in range(2):
        out = pathlib.Path(t.folder(f"run{n}"))
        train(t, data, out, {"epochs": 2, "flip": True, "shift": 2, "erase": 3, "average": 0.9})
        found.append((out / "checkpoint.safetensors").read_bytes())
    t.true(found[0] == found[1], "both runs end with the same checkpoint")


def a_killed_run_goes_on_bit_for_bit(t):
    data = folder_of(t, idx_files())
    config = {"epochs": 400, "average": 0.99, "shift": 1, "network": {"family": "vgg", "stages": "4", "dropout": 0.1}}
    whole, part = pathlib.Path(t.folder("whole")), pathlib.Path(t.folder("part"))
    train(t, data, whole, config)
    config["checkpoint_seconds"] = 0.05
    resume = {"checkpoint": str(part / "checkpoint.safetensors"), "state": str(part / "state.safetensors")}
    kills, ended = 0, False
    for attempt in range(8):
        more = {"resume": resume} if kills else {}
        path = task_file(t, "train", "classify", dict(CONFIG, **config), {"data": data}, **more)
        runner = t.start(harness.program("tengen-run"), path, "--json", "--out", part) if attempt < 2 else None
        if runner is None:
            t.tool("tengen-run", path, "--json", "--out", part, check=0)
            ended = True
            break
        limit = time.monotonic() + 20 * harness.SLOW
        before = (part / "checkpoint.safetensors").stat().st_mtime_ns if kills else 0
        while time.monotonic() < limit:
            if (part / "checkpoint.safetensors").exists() and \
                    (part / "checkpoint.safetensors").stat().st_mtime_ns > before:
                break
            time.sleep(0.01)
        runner.kill()
        kills += 1
    t.true(ended and kills == 2, "it was killed twice and then ended")
    t.true((whole / "checkpoint.safetensors").read_bytes() == (part / "checkpoint.safetensors").read_bytes(),
           "the same checkpoint as without a kill")


def bad_tasks_are_refused(t):
    data = folder_of(t, idx_files(30, 9))
    out = pathlib.Path(t.folder("out"))
    train(t, data, out, {"epochs": 1})
    narrow = folder_of(t, {**idx_files(30, 9), **{
        f"{part}-images-idx3-ubyte": idx(3, (count, SIDE, 10), bytes(count * SIDE * 10))
        for part, count in (("train", 30), ("t10k", 9))}})
    more = folder_of(t, dict(idx_files(30, 9), **{"classes.txt": b"a\nb\nc\nd\n"}))
    colour = folder_of(t, {f"{name}/x.png": png(SIDE, SIDE, [b"\xff\0\0" * SIDE] * SIDE, color=2) for name in "abc"})
    network = out / "checkpoint.safetensors"
    own = {"trunk": {"family": "vgg"}, "heads": [{"kind": "value"}]}
    two = {"trunk": {"family": "vgg"}, "heads": [{"kind": "classes", "classes": 3}, {"kind": "value"}]}
    big = {"trunk": {"family": "vgg", "stages": "4096x16"}}
    cases = [
        ("no data", "classify", CONFIG, {}, "inputs.data", "needs a data set"),
        ("data that is not there", "classify", CONFIG, {"data": "/nowhere"}, "/nowhere", "cannot be opened"),
        ("data without an image", "classify", CONFIG, {"data": folder_of(t, {"game.sgf": b"(;B[aa])"}, "games")}, "games",
         "holds no images"),
        ("another image size", "evaluate", {}, {"network": network, "data": narrow}, "inputs.network",
         "takes images 12 wide and 12 high of 1 channels, the data set's are 10 wide and 12 high"),
        ("another number of classes", "evaluate", {}, {"network": network, "data": more}, "inputs.network",
         "tells 3 classes apart, the data set has 4"),
        ("another encoding", "evaluate", {}, {"network": network, "data": colour}, "inputs.network",
         '"pixels-grey/1", the images have "pixels-rgb/1"'),
        ("a state instead of a network", "evaluate", {}, {"network": out / "state.safetensors", "data": data},
         "inputs.network.__metadata__.format", "must be tengen-network/1"),
        ("a network for other images", "classify", CONFIG, {"network": network, "data": narrow}, "inputs.network",
         "the data set's are 10 wide and 12 high"),
        ("a network that tells nothing apart", "classify", dict(CONFIG, network={}, architecture=json.dumps(own)), {"data": data},
         "config.architecture", "no head of kind classes"),
        ("a head that nothing teaches", "classify", dict(CONFIG, network={}, architecture=json.dumps(two)), {"data": data},
         "config.architecture.heads", "a head value, which nothing would teach; the heads that classify teaches are: classes"),
        ("shapes that do not fit", "classify", dict(CONFIG, network={"family": "vgg", "stages": "4/4/4/4/4/4"}),
         {"data": data}, "architecture", "pool"),
        ("too many parameters", "classify", dict(CONFIG, network={}, architecture=json.dumps(big)), {"data": data}, "config.architecture",
         "parameters"),
        ("what diverges", "classify", dict(CONFIG, learning_rate=10, warmup=0, epochs=100, momentum=0.99,
                                           network={"family": "transformer", "layers": 1, "width": 8, "heads": 2}), {"data": data},
         "", "training has diverged"),
    ]
    for what, kind, config, inputs, field, text in cases:
        with t.subtest(what):
            path = task_file(t, "bad", kind, config, inputs)
            done = t.tool("tengen-run", path, "--json", "--out", t.folder("bad"))
            t.equal(done.returncode, 1, f"the exit code ({done.stdout[-300:]})")
            last = json.loads(done.stdout.splitlines()[-1])
            t.equal(last["type"], "fail", "the last line")
            t.contains(last["field"], field, last["detail"])
            t.contains(last["detail"], text, "the reason")


def runner_of(agent):
    """The pid of a runner under the agent; None when there is none."""
    for pid in pathlib.Path(f"/proc/{agent.pid}/task/{agent.pid}/children").read_text().split():
        with contextlib.suppress(OSError):
            if b"tengen-run" in pathlib.Path(f"/proc/{pid}/cmdline").read_bytes():
                return int(pid)
    return None


def a_job_survives_its_runner(t):
    """Data set, job, runner killed, job goes on: the checkpoint in the store is that of a run without a kill."""
    files = idx_files()
    config = dict(CONFIG, epochs=300, checkpoint_seconds=0.1, shift=1, average=0.99,
                  network={"family": "vgg", "stages": "4", "dropout": 0.1})
    whole = pathlib.Path(t.folder("whole"))
    train(t, folder_of(t, files), whole, config)
    server = t.server()
    server.api.expect(201, "POST", "/api/v1/datasets?name=squares", body=tar_of(files, "w:gz"),
                      headers={"Content-Type": "application/octet-stream"})
    agent = t.worker(server, runners=1)
    job = server.api.expect(201, "POST", "/api/v1/jobs", json={
        "kind": "classify", "name": "squares", "config": config, "inputs": {"data": {"dataset": "squares"}}})["id"]
    path = f"/api/v1/jobs/{job}"
    harness.wait_for(lambda: server.api.pages(path + "/checkpoints"), 60, "a checkpoint", every=0.02)
    pid = runner_of(agent)
    if pid:
        os.kill(pid, signal.SIGKILL)
    else:
        t.note("the run had ended before it could be killed")
    ended = harness.wait_for(lambda: (state := server.api.expect(200, "GET", path))["state"] in
                             ("succeeded", "failed") and state, 90, "the job to end", every=0.1)
    t.equal((ended["state"], ended["error"], ended["units"]["done"]), ("succeeded", None, 1), "how the job ended")
    digest = hashlib.sha256((whole / "checkpoint.safetensors").read_bytes()).hexdigest()
    newest = [c for c in server.api.pages(path + "/checkpoints") if c["name"] == "checkpoint"][0]
    t.equal(newest["sha256"], digest, "the newest checkpoint")
    reports = {r["name"]: r["data"] for r in server.api.expect(200, "GET", path + "/reports")["items"]}
    t.equal(sorted(reports), ["classes", "confusion", "samples", "summary"], "reports")
    t.equal(reports["confusion"], json.loads((whole / "confusion.json").read_text()), "confusion")
    with t.subtest("evaluate takes its checkpoint"):
        score = server.api.expect(201, "POST", "/api/v1/jobs", json={
            "kind": "evaluate", "name": "score", "inputs": {"data": {"dataset": "squares"},
                                                            "network": {"job": job, "output": "checkpoint"}}})["id"]
        harness.wait_for(lambda: server.api.expect(200, "GET", f"/api/v1/jobs/{score}")["state"] == "succeeded", 60,
                         "the second job to succeed", every=0.1)
        found = server.api.expect(200, "GET", f"/api/v1/jobs/{score}/reports")["items"]
        summary = [r["data"] for r in found if r["name"] == "summary"][0]
        t.equal(summary["test_accuracy"], reports["summary"]["test_accuracy"], "its accuracy")


if __name__ == "__main__":
    harness.run(sets_are_described, bad_sets_are_refused, it_learns_and_reports, classes_that_do_not_occur_are_left_out,
                every_family_trains,
                one_seed_gives_one_network, a_killed_run_goes_on_bit_for_bit, a_job_survives_its_runner,
                bad_tasks_are_refused, timeout=120)
