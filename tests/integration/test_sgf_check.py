"""tengen-run sgf-check and bench playouts: on games made here, and on real ones where they are.

TENGEN_SHARED_DATA names the folder of the real ones (default: ../shared/data beside this checkout); without it
those cases are skipped.
"""

import gzip
import io
import json
import lzma
import os
import pathlib
import tarfile
import zipfile

import harness

DATA = pathlib.Path(os.environ.get("TENGEN_SHARED_DATA") or harness.ROOT.parent / "shared" / "data")

SCORED = "(;GM[1]SZ[3]KM[0.5]RE[B+8.5]PC[Here];B[bb];W[];B[])"
WRONG = "(;GM[1]SZ[3]KM[0.5]RE[W+2.5]PC[There];B[bb];W[];B[])"
RESIGNED = "(;GM[1]SZ[9]RE[B+R]AB[cc][gg];W[ee])"
OCCUPIED = "(;SZ[3];B[aa];W[bb];B[bb])"
KO = "(;SZ[4]AB[ba][ab][bc]AW[ca][db][cc][bb];B[cb];W[bb])"
SUICIDE = "(;SZ[3]AB[ba][ab];W[aa])"
REPEATING = ("(;SZ[5]AW[ba][da][cb][db][cc][cd][dd][ed][ce][ee]AB[ab][bb][bc][ad][bd][be]"
             ";W[aa];B[ca];W[ba])")


def check(t, *arguments, code=0):
    done = t.tool("tengen-run", "sgf-check", *arguments)
    t.equal(done.returncode, code, "the exit code")
    return json.loads(done.stdout)


def tar_of(files):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name, text in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(text)
            archive.addfile(entry, io.BytesIO(text.encode()))
    return out.getvalue()


def games_are_counted(t):
    folder = pathlib.Path(t.folder("games"))
    (folder / "a.sgf").write_text(SCORED + "\n" + WRONG)
    (folder / "b.sgf").write_text(RESIGNED)
    (folder / "c.txt").write_text("not a game")
    found = check(t, folder)
    t.equal({k: found[k] for k in ("files", "games", "legal", "superko", "with_result", "scored", "score_matches",
                                   "unreadable", "first_error")},
            {"files": 2, "games": 3, "legal": 3, "superko": 0, "with_result": 3, "scored": 2, "score_matches": 1,
             "unreadable": 0, "first_error": None}, "the counts")
    t.equal(found["without_setup"]["games"], 2, "games without setup stones")
    t.equal(found["places"]["Here"]["score_matches"], 1, "matches of one place")
    t.equal(found["places"]["There"]["score_matches"], 0, "matches of the other place")
    t.equal(found["first_mismatch"], {"file": str(folder / "a.sgf"), "game": 2, "result": "W+2.5", "area": "B+8.5"},
            "the first mismatch")
    found = check(t, folder, "--filter", "PC=Her")
    t.equal((found["games"], found["filtered"]), (1, 2), "games that pass the filter, and others")


def illegal_moves_are_named(t):
    for text, column, move, color, point, reason in ((OCCUPIED, 21, 3, "black", "bb", "occupied"),
                                             (KO, 47, 2, "white", "bb", "ko"), (SUICIDE, 19, 1, "white", "aa", "suicide")):
        with t.subtest(reason):
            folder = pathlib.Path(t.folder("illegal"))
            (folder / "x.sgf").write_text(SCORED + text)
            found = check(t, folder / "x.sgf", code=1)
            t.equal((found["games"], found["legal"]), (2, 1), "games, legal")
            t.equal(found["first_error"], {"file": str(folder / "x.sgf"), "game": 2, "line": 1, "column": column + len(SCORED), "move": move,
                                           "color": color, "point": point, "reason": reason}, "the first error")


def repetitions_are_legal_and_counted_apart(t):
    folder = pathlib.Path(t.folder("superko"))
    (folder / "x.sgf").write_text(REPEATING)
    found = check(t, folder)
    t.equal((found["legal"], found["superko"]), (1, 1), "legal, superko")


def archives_are_read_as_they_are(t):
    folder = pathlib.Path(t.folder("archives"))
    tar = tar_of({"in/a.sgf": SCORED, "in/b.sgf": WRONG, "in/readme": "x" * 5000})
    forms = {"a.tar": tar, "a.tar.gz": gzip.compress(tar), "a.tar.xz": lzma.compress(tar),
             "a.sgf.gz": gzip.compress((SCORED + WRONG).encode()), "a.sgf.xz": lzma.compress((SCORED + WRONG).encode())}
    with zipfile.ZipFile(folder / "a.zip", "w") as archive:
        archive.writestr("a.sgf", SCORED + WRONG)
    for name, data in forms.items():
        (folder / name).write_bytes(data)
    for name in [*forms, "a.zip"]:
        with t.subtest(name):
            found = check(t, folder / name)
            t.equal((found["games"], found["legal"], found["score_matches"]), (2, 2, 1), "games, legal, matches")
    t.equal(check(t, folder)["games"], 12, "games of the folder")


def hostile_files_are_refused(t):
    folder = pathlib.Path(t.folder("hostile"))
    tar = tar_of({"in/a.sgf": SCORED})
    cases = {
        "cut.tar.xz": (lzma.compress(tar)[:-30], "the archive is damaged or cut short"),
        "damaged.tar.gz": (gzip.compress(tar)[:20] + b"\0" * 40, "the archive is damaged or cut short"),
        "damaged.sgf.xz": (b"no xz at all", "is not what its name says (.xz)"),
        "unpacked.sgf.gz": (b"(;GM[1])", "unpacked already and needs another name"),
        "damaged.tar": (b"no tar at all", "is not what its name says (.tar)"),
        "empty.gz": (b"", "is not what its name says (.gz)"),
        "large.sgf.gz": (gzip.compress(b" " * (70 << 20)), "holds an SGF file of more than 64 MiB"),
        "bomb.sgf.xz": (lzma.compress(b" " * (40 << 20), preset=0), "unpacks to more than a thousand times its size"),
    }
    for name, (data, message) in cases.items():
        with t.subtest(name):
            (folder / name).write_bytes(data)
            done = t.tool("tengen-run", "sgf-check", folder / name)
            t.equal(done.returncode, 1, "the exit code")
            t.contains(done.stderr.decode(), message, "the message")
            t.contains(done.stderr.decode(), str(folder / name), "the file that it names")
    with t.subtest("bad syntax"):
        (folder / "bad.sgf").write_bytes(b"(;B[aa]\n;W)" + b"\xff")
        found = check(t, folder / "bad.sgf", code=1)
        t.equal(found["unreadable"], 1, "unreadable")
        t.contains(found["first_error"]["reason"], "line 2, column 3", "the reason")
    for text, line, column in (("(;SZ[9]\n;B[aa] ;W[zz])", 2, 9), ("(;FF[4]GM[2]SZ[9])", 1, 8),
                               ("(;GM[1]\nKM[7]SZ[100])", 2, 6)):
        with t.subtest(text):
            (folder / "bad.sgf").write_text(text)
            found = check(t, folder / "bad.sgf", code=1)
            t.equal((found["games"], found["unreadable"]), (0, 1), "games, unreadable")
            t.equal((found["first_error"]["line"], found["first_error"]["column"]), (line, column), "where it is")
    for name, data in (("empty.sgf", b""), ("zeros.sgf.xz", lzma.compress(bytes(8 << 20)))):
        with t.subtest(name):
            (folder / name).write_bytes(data)
            found = check(t, folder / name, code=1)
            t.equal((found["games"], found["unreadable"]), (0, 1), "games, unreadable")
            t.contains(found["first_error"]["reason"], "no game", "the reason")
    with t.subtest("no SGF file"):
        (folder / "readme.tar").write_bytes(tar_of({"readme": "x"}))
        found = check(t, folder / "readme.tar", code=1)
        t.contains(found["first_error"]["reason"], "no game", "the reason")
    with t.subtest("--help"):
        done = t.tool("tengen-run", "sgf-check", "--help")
        t.equal(done.returncode, 0, "the exit code")
        t.contains(done.stdout.decode(), "--filter", "the help")
    with t.subtest("not there"):
        done = t.tool("tengen-run", "sgf-check", folder / "none.sgf")
        t.equal(done.returncode, 1, "the exit code")
        t.contains(done.stderr.decode(), "No such file", "the message")
    with t.subtest("usage"):
        t.equal(t.tool("tengen-run", "sgf-check").returncode, 2, "the exit code without a path")
        t.equal(t.tool("tengen-run", "sgf-check", "x", "--filter", "PC").returncode, 2, "of a filter without =")
        t.equal(t.tool("tengen-run", "sgf-check", "x", "--nonsense").returncode, 2, "of an unknown option")


def real(t, name):
    path = DATA / name
    if not path.exists():
        t.skip(f"{path} is not there (TENGEN_SHARED_DATA names its folder)")
    return path


def real_9x9_games_are_legal_and_cgos_scores_are_ours(t):
    found = check(t, real(t, "go9-train.tar.xz"))
    t.equal(found["games"], 9480, "games")
    t.equal(found["legal"], 9480, "legal games")
    cgos = found["places"]["(CGOS) 9x9 Computer Go Server"]
    t.at_least(cgos["scored"], 900, "games of CGOS with a numeric result")
    t.equal(cgos["score_matches"], cgos["scored"], "of them, those that we score the same")


def real_19x19_games_are_legal(t):
    found = check(t, real(t, "go19/kgs-6d-2017-01.tar.gz"))
    t.equal(found["games"], 733, "games")
    t.equal(found["without_setup"]["legal"], found["without_setup"]["games"], "legal games without setup stones")
    t.at_least(found["without_setup"]["games"], 400, "games without setup stones")


def the_benchmark_prints_its_figures(t):
    done = t.tool("tengen-run", "bench", "playouts", "--board", "5", "--seconds", "0.05", "--json")
    t.equal(done.returncode, 0, "the exit code")
    figures = json.loads(done.stdout)
    t.equal((figures["bench"], figures["board"]), ("playouts", 5), "what was measured")
    t.at_least(figures["playouts_per_s"], 1, "playouts a second")
    t.equal(t.tool("tengen-run", "bench", "playouts", "--board", "20").returncode, 2, "the code of a board too large")


if __name__ == "__main__":
    harness.run(games_are_counted, illegal_moves_are_named, repetitions_are_legal_and_counted_apart,
                archives_are_read_as_they_are, hostile_files_are_refused,
                real_9x9_games_are_legal_and_cgos_scores_are_ours, real_19x19_games_are_legal,
                the_benchmark_prints_its_figures, timeout=120)
