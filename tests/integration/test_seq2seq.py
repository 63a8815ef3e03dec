"""The kind seq2seq by hand: it trains, goes on from its state bit for bit, and its files are what the published
format of safetensors says, read here by a reader that shares nothing with ours."""

import json
import math
import struct

import harness

TINY = {"task": "sort", "symbols": 4, "shortest": 1, "longest": 4, "layers": 1, "width": 16, "heads": 2, "feed_forward": 32,
        "batch": 16, "minutes": 0, "warmup": 10, "average": 0.9, "validate_steps": 20, "test_sequences": 10}
SIZES = {"F64": 8, "F32": 4, "F16": 2, "BF16": 2, "I64": 8, "I32": 4, "I16": 2, "I8": 1, "U8": 1, "BOOL": 1}


def read_safetensors(t, path):
    """Metadata and {name: (dtype, shape, bytes)}, by https://github.com/huggingface/safetensors#format."""
    data = path.read_bytes()
    (size,) = struct.unpack_from("<Q", data)
    t.true(size < 100_000_000 and 8 + size <= len(data), "the header's size")
    text = data[8:8 + size]
    t.equal(text[:1], b"{", "the header's first byte")
    header = json.loads(text, object_pairs_hook=lambda pairs: t.equal(len(dict(pairs)), len(pairs), "names") or dict(pairs))
    metadata = header.pop("__metadata__", {})
    t.true(all(isinstance(value, str) for value in metadata.values()), "metadata are strings")
    tensors, end = {}, 0
    for name, entry in sorted(header.items(), key=lambda item: item[1]["data_offsets"]):
        t.equal(sorted(entry), ["data_offsets", "dtype", "shape"], f"what {name} has")
        begin, stop = entry["data_offsets"]
        t.equal(begin, end, f"where {name} begins (no hole, no overlap)")
        t.equal(stop - begin, math.prod(entry["shape"]) * SIZES[entry["dtype"]], f"the bytes of {name}")
        tensors[name] = entry["dtype"], entry["shape"], data[8 + size + begin:8 + size + stop]
        end = stop
    t.equal(8 + size + end, len(data), "the file's size")
    return metadata, tensors


def run(t, folder, resume=None, **config):
    document = {"kind": "seq2seq", "seed": 3, "config": {**TINY, **config}}
    if resume:
        document["resume"] = {name: str(resume / f"{name}.safetensors") for name in ("checkpoint", "state")}
    task = folder / "task.json"
    task.write_text(json.dumps(document))
    t.tool("tengen-run", task, "--json", "--out", folder, check=0)
    return json.loads((folder / "summary.json").read_text())


def a_reader_of_the_published_format_reads_our_files(t):
    folder = t.folder("run")
    summary = run(t, folder, steps=30)
    t.equal((summary["steps"], summary["test_sequences"]), (30, 10), "what was done")
    t.true(0 <= summary["greedy_low"] <= summary["greedy_exact"] <= summary["greedy_high"] <= 1, "an interval")
    metadata, tensors = read_safetensors(t, folder / "checkpoint.safetensors")
    architecture = json.loads(metadata["architecture"])
    t.equal((architecture["version"], architecture["input"]["target_tokens"]), (1, 5), "the description")
    t.equal(tensors["embedding.weight"][:2], ("F32", [7, 16]), "the embedding")
    t.true("target.embedding.weight" not in tensors, "one embedding serves both sides")
    t.equal(sum(math.prod(shape) for _, shape, _ in tensors.values()), summary["parameters"], "parameters")
    for name, (dtype, _, data) in tensors.items():
        values = struct.unpack(f"<{len(data) // 4}f", data)
        t.true(dtype == "F32" and all(math.isfinite(value) for value in values), f"the values of {name}")
    t.true(len(set(struct.unpack("<16f", tensors["end.norm.weight"][2] if "end.norm.weight" in tensors
                                 else tensors["layer0.attend.norm.weight"][2]))) > 1, "trained values")
    metadata, tensors = read_safetensors(t, folder / "state.safetensors")
    t.equal(metadata["format"], "tengen-training/1", "the sort of file")
    t.true(any(name.startswith("square.") for name in tensors), "Adam's squares are there")


def training_goes_on_from_its_state(t):
    straight, first, second = (t.folder(name) for name in ("straight", "first", "second"))
    run(t, straight, steps=60)
    run(t, first, steps=40)
    run(t, second, resume=first, steps=60)
    files = [(folder / "checkpoint.safetensors").read_bytes() for folder in (straight, second)]
    t.true(files[0] == files[1], "the resumed training made the same network")


if __name__ == "__main__":
    harness.run(a_reader_of_the_published_format_reads_our_files, training_goes_on_from_its_state, timeout=120)
