// test_units.mjs - the parts of the dashboard that need no browser.

import { createReplay, liveRecord, point, readSgf, vertexName } from "../../web/src/lib/go.js";
import { eventParser } from "../../web/src/lib/events.js";
import { configOf, valuesOf } from "../../web/src/lib/options.js";
import { duration, rate, resultText, signed } from "../../web/src/lib/format.js";
import { pointsFromTasks, rateSeries } from "../../web/src/lib/throughput.js";
import { equal, match, ok, same, test } from "./tap.mjs";

function diagram(signMap) {
  return signMap.map((row) => row.map((sign) => (sign > 0 ? "X" : sign < 0 ? "O" : ".")).join("")).join(" ");
}

async function goTests() {
  await test("units: SGF: the main line, escapes, setup and passes", () => {
    const record = readSgf(
      "(;FF[4]SZ[5]KM[6.5]RE[B+3]C[a \\] ; (b\\\nc]AB[aa][bb:cc];W[dd](;B[ee];W[])(;B[ab];W[ba]))",
    );
    equal(record.size, 5, "size");
    equal(record.komi, 6.5, "komi");
    equal(record.setup.length, 5, "setup stones");
    same(
      record.moves.map(({ sign, vertex }) => `${sign} ${vertexName(vertex, 5)}`),
      ["-1 D2", "1 E1", "-1 pass"],
      "moves of the main line",
    );
  });
  await test("units: points: passes and what is off the board", () => {
    same(point("aa", 9), [0, 0], "aa");
    equal(point("", 9), null, "empty");
    equal(point("tt", 19), null, "tt on 19x19");
    equal(point("zz", 9), null, "off the board");
    equal(vertexName([8, 0], 9), "J9", "the letter I is left out");
  });
  await test("units: replay: captures, ko stones and stepping back", () => {
    const record = liveRecord({ board: 3, komi: 0, moves: ["ba", "aa", "cc", "cb", "ab"] });
    const at = createReplay();
    const end = at(record, 5);
    equal(diagram(end.signMap), ".X. X.O ..X", "after the capture in the corner");
    same(end.captures, [1, 0], "captures by Black and White");
    equal(diagram(at(record, 2).signMap), "OX. ... ...", "before it");
    const longer = liveRecord({ board: 3, komi: 0, moves: ["ba", "aa", "cc", "cb", "ab", ""] });
    equal(diagram(at(longer, 6).signMap), ".X. X.O ..X", "a pass changes nothing");
    const other = liveRecord({ board: 3, komi: 0, moves: ["bb"] });
    equal(diagram(at(other, 1).signMap), "... .X. ...", "another game");
  });
}

async function textTests() {
  await test("units: events are parsed across chunks, comments and line ends", () => {
    const heard = [];
    const feed = eventParser((name, data, id) => heard.push([name, data, id]));
    for (const chunk of [": hi\n\nid: 7\neve", 'nt: job\ndata: {"id":', "1}\r", "\n\r\n", "data: a\ndata: b\n\n"])
      feed(chunk);
    same(
      heard,
      [
        ["job", '{"id":1}', "7"],
        ["message", "a\nb", "7"],
      ],
      "events",
    );
  });
  await test("units: numbers and results for people", () => {
    equal(rate(2.5, "games"), "2.5 games/s", "rate");
    equal(rate(0.02, "games"), "1.2 games/min", "slow rate");
    equal(rate(0, "games"), "–", "no rate");
    equal(duration(8), "8 s", "seconds");
    equal(duration(200), "3 min 20 s", "minutes");
    equal(duration(90061), "1 d 1 h", "days");
    equal(signed(-3.2), "\u22123", "minus sign");
    equal(signed(-0.2), "0", "no sign at zero");
    equal(resultText("W+R"), "White won by resignation", "resignation");
    equal(resultText("B+3.5"), "Black won by 3.5", "points");
    equal(resultText("0"), "Draw", "draw");
  });
}

async function optionTests() {
  const table = [
    { name: "games", type: "int", default: 1000, min: 1, max: 10 },
    { name: "fast", type: "bool", default: false },
    { name: "names", type: "list", default: [] },
    { name: "engine", type: "string", default: null, required: true },
    { name: "a", type: "object", fields: [{ name: "playouts", type: "int", default: 100 }] },
  ];
  await test("units: a form sends only what differs from the defaults, with its types", () => {
    const values = valuesOf(table);
    same(configOf(table, values), {}, "untouched but for the required option, which the server asks for");
    values.games = "12";
    values.fast = true;
    values.names = "x\n\ny";
    values.engine = "gnugo";
    values.a.playouts = "many";
    same(
      configOf(table, values),
      { games: 12, fast: true, names: ["x", "y"], engine: "gnugo", a: { playouts: "many" } },
      "config",
    );
  });
  await test("units: a form takes up an old job's config", () => {
    const values = valuesOf(table, { games: 7, a: { playouts: 5 } });
    equal(values.games, "7", "games");
    equal(values.a.playouts, "5", "nested");
  });
}

async function rateTests() {
  await test("units: throughput adds up to what was done", () => {
    const tasks = Array.from({ length: 40 }, (_, i) => ({ done: 8, ended_ms: 1000000 + (i + 1) * 10000 }));
    const [times, rates] = rateSeries(pointsFromTasks({ started_ms: 1000000 }, tasks));
    const width = times[1] - times[0];
    const sum = rates.reduce((total, value) => total + value * width, 0);
    ok(Math.abs(sum - 320) < 1, `the area below the curve is 320, got ${sum}`);
    for (const value of rates) ok(Math.abs(value - 0.8) < 0.01, `8 games in 10 s, got ${value}`);
    same(rateSeries([[0, 0]]), [[], []], "nothing from one point");
    match(String(times.length), /^[1-9]\d?$/, "at most 99 buckets");
  });
}

export async function unitTests() {
  await goTests();
  await textTests();
  await optionTests();
  await rateTests();
}
