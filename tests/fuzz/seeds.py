#!/usr/bin/env python3
"""seeds.py DIR: writes a few small valid inputs for each fuzz target into DIR/NAME/, from which libFuzzer goes on."""

import io
import json
import pathlib
import struct
import sys
import tarfile
import zlib

TEXTS = [
    b'{"kind":"selfplay","name":"a \\u00e9 \\ud83c\\udf4e","config":{"games":10},"after":[1,2]}',
    b'[1,-2.5e3,true,false,null,"x\\n"]',
    b'{"jobs":[{"local":"a","kind":"teacher"},{"local":"b","after":["a"]}]}',
]
CONFIGS = [
    {"games": 10, "games_per_task": 2, "board": 9, "komi": 6.5, "player": {"type": "uct", "playouts": 10}},
    {"engine": "gnugo", "random_moves": 3, "rules": "chinese", "ko": "simple"},
    {"a": {"type": "engine", "engine": "x"}, "b": {"resign": 0}, "sprt": {"enabled": True, "elo0": 0, "elo1": 10}},
]
# zstd frames of 0 and 5 bytes, stored raw: magic, single segment with size, last raw block.
ZSTD_EMPTY = bytes.fromhex("28b52ffd 20 00 010000")
ZSTD_HELLO = bytes.fromhex("28b52ffd 20 05 290000") + b"hello"


def frame(header, body=b""):
    text = json.dumps(header).encode()
    rest = struct.pack("<I", len(text)) + text + body
    return struct.pack("<II", len(rest) + 4, 0) + rest


def chunk(header, packed, raw_size):
    text = json.dumps(header).encode()
    return b"TGC1" + struct.pack("<IIII", 0, len(text), len(packed), raw_size) + text + packed


def safetensors(header, data):
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def idx(sizes, values):
    return struct.pack(f">BBBB{len(sizes)}I", 0, 0, 8, len(sizes), *sizes) + values


def png(width, height, color, rows):
    def part(name, body):
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    head = struct.pack(">IIBBBBB", width, height, 8, color, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + part(b"IHDR", head) + part(b"IDAT", zlib.compress(rows)) + part(b"IEND", b"")


def tar(files):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name, data in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    return out.getvalue()[:4096]  # without most of the padding, as long as the targets take


def seeds():
    images, labels = idx((2, 2, 2), bytes(8)), idx((2,), b"\0\1")
    grey, colour = png(2, 1, 0, b"\0ab"), png(2, 1, 2, b"\0abcdef")
    yield "idx", [images, labels, idx((1, 2, 2, 3), bytes(12))]
    yield "images", [
        images,
        grey,
        tar({"train-images-idx3-ubyte": images, "train-labels-idx1-ubyte": labels, "classes.txt": b"a\nb\n"}),
        tar({"a/1.png": grey, "b/1.png": colour}),
        tar({"train/a/1.png": grey, "test/b/1.png": grey}),
    ]
    game = {"type": "game", "units": 1, "counters": {"games": 1, "moves": 57}, "game": {"board": 9}}
    yield "json", TEXTS
    yield "gtp", [
        b"\x07boardsize 9\n1 komi 6.5\nplay b E5\n2 play white pass\ngenmove b # thinks\nundo\nshowboard\n",
        b"\x87fixed_handicap 4\nplace_free_handicap 3\nset_free_handicap A1 B2 C3\nfinal_status_list alive\n",
        b"\x87time_settings 60 10 5\ntime_left b 30 0\nreg_genmove w\nfinal_score\nprintsgf\nlist_commands\nquit\n",
    ]
    yield "gtp_reply", [b"=1 E5\n\n?2 unknown command\n\n=3\n\n\n\n=4 a\tb\nc d\n\n", b"= E5\n\n=7 late\n\n"]
    yield "frame", [frame({"type": "hello", "protocol": 1}), frame({"type": "chunk", "seq": 0}, b"body") * 2]
    yield "chunk", [chunk(game, ZSTD_EMPTY, 0), chunk(game, ZSTD_HELLO, 5)]
    yield "safetensors", [
        safetensors({}, b""),
        safetensors(
            {
                "__metadata__": {"step": "1"},
                "w": {"dtype": "F32", "shape": [2, 1], "data_offsets": [0, 8]},
                "b": {"dtype": "U8", "shape": [3], "data_offsets": [8, 11]},
            },
            bytes(11),
        ),
    ]
    yield "flags", [
        b"\0--games\0" + b"10\0--board=9\0word\0--player.playouts\0" + b"100\0--\0--x",
        b"\2--sprt.enabled\0--sprt.elo1=20\0--no-sprt.enabled\0--a={\"type\":\"engine\"}",
    ]
    yield "options", [bytes([i]) + json.dumps(config).encode() for i, config in enumerate(CONFIGS)]


def main():
    top = pathlib.Path(sys.argv[1])
    for name, inputs in seeds():
        folder = top / name
        folder.mkdir(parents=True, exist_ok=True)
        for i, data in enumerate(inputs):
            (folder / f"seed-{i}").write_bytes(data)


if __name__ == "__main__":
    main()
