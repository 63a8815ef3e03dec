// test_units.mjs - the parts of the dashboard that need no browser.

import { createReplay, liveRecord, point, readSgf, vertexName } from "../../web/src/lib/go.js";
import { eventParser } from "../../web/src/lib/events.js";
import { toJson } from "../../web/src/lib/api.js";
import { activityOf, afterJob, afterWorker } from "../../web/src/lib/activity.js";
import { mistakesOf, precisionOf, readConfusion, recallOf, strengthOf } from "../../web/src/lib/confusion.js";
import { choicesFor, inputText } from "../../web/src/lib/inputs.js";
import { addMetrics, bestOf, chartsOf, latestOf, logScale, splitName, toLine } from "../../web/src/lib/metrics.js";
import { applies, configOf, numberOf, valuesOf } from "../../web/src/lib/options.js";
import { factsOf, labelOf } from "../../web/src/lib/labels.js";
import {
  duration,
  fineDuration,
  fineShare,
  percentOf,
  rate,
  resultText,
  retentionText,
  signed,
  timeBaseOf,
  unitOf,
  words,
} from "../../web/src/lib/format.js";
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
    const stands = [];
    const feed = eventParser(
      (name, data, id) => heard.push([name, data, id]),
      (id) => stands.push(id),
    );
    for (const chunk of [
      "retry: 2000\nid: 6\n: hi\n\nid: 7\neve",
      'nt: job\ndata: {"id":',
      "1}\r",
      "\n\r\n",
      "data: a\ndata: b\n\n",
    ])
      feed(chunk);
    same(
      heard,
      [
        ["job", '{"id":1}', "7"],
        ["message", "a\nb", "7"],
      ],
      "events",
    );
    same(stands, ["6"], "where the stream stands before its first event");
  });
  await test("units: numbers and results for people", () => {
    equal(rate(2.5, "games"), "2.5 games/s", "rate");
    equal(rate(0.02, "games"), "1.2 games/min", "slow rate");
    equal(rate(0, "games"), "–", "no rate");
    const slow = { unit: "games", started_ms: 1000, ended_ms: 101000, units: { done: 5 }, rate_per_s: 0.2 };
    equal(rate(slow.rate_per_s, "games", timeBaseOf(slow)), "12 games/min", "beside a mean of 3 a minute");
    equal(timeBaseOf({ ...slow, units: { done: 0 } }).name, "s", "before anything is done");
    equal(duration(8), "8 s", "seconds");
    equal(duration(200), "3 min 20 s", "minutes");
    equal(duration(90061), "1 d 1 h", "days");
    equal(signed(-3.2), "\u22123", "minus sign");
    equal(signed(-0.2), "0", "no sign at zero");
    equal(resultText("W+R"), "White won by resignation", "resignation");
    equal(resultText("B+3.5"), "Black won by 3.5", "points");
    equal(resultText("0"), "Draw", "draw");
    equal(percentOf(0.93412), "93.4 %", "share");
    equal(fineShare(0.99462), "99.46 %", "share near the whole");
    equal(fineShare(1), "100.0 %", "the whole");
    equal(unitOf({ unit: "runs", units: { total: 1 } }), "run", "one of a unit");
    equal(unitOf({ unit: "games", units: { total: 20 } }), "games", "many of a unit");
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
  await test("units: a form neither asks nor sends what does not apply", () => {
    const choices = ["uct", "puct"];
    const player = [
      { name: "type", type: "choice", choices, default: "uct" },
      { name: "c_puct", type: "number", default: 1.25, when: { option: "type", choices: ["puct"] } },
    ];
    const values = { type: "puct", c_puct: "2" };
    same(configOf(player, values), { type: "puct", c_puct: 2 }, "for the type that has it");
    values.type = "uct";
    same(configOf(player, values), {}, "for another");
    same(
      choices.map((type) => applies(player[1], { type })),
      [false, true],
      "fields",
    );
    const weight = { when: { option: "network.family", choices: ["googlenet"], or_given: "architecture" } };
    const shown = (family, architecture) => applies(weight, { network: { family }, architecture });
    same([shown("googlenet", ""), shown("resnet", ""), shown("resnet", "{}")], [true, false, true], "by what is inside");
  });
  await test("units: names are spelled as their field does", () => {
    for (const [name, expected] of Object.entries({
      "sl-policy": "SL policy",
      seq2seq: "Seq2Seq",
      c_puct: "PUCT constant (c)",
      "tromp-taylor": "Tromp\u2013Taylor",
      resnet: "ResNet",
      black_wins: "Black wins",
      "sgf games": "SGF games",
      test_top1: "Test top-1",
    }))
      equal(words(name), expected, name);
    equal(retentionText({ chunks: 0, seconds: 0 }), "all chunks for ever", "all");
    equal(retentionText({ chunks: 1, seconds: 0 }), "the newest chunk for ever", "one");
    equal(retentionText({ chunks: 1500, seconds: 60 }), "the newest 1,500 chunks of the last 1 min", "many");
  });
  await test("units: figures have a label, a unit and their interval", () => {
    for (const [name, expected] of Object.entries({
      cpu_minutes: "Processor time",
      held_out_loss: "Held-out loss",
      positions_per_s: "Positions per second",
      lr: "Learning rate",
      top1: "Top-1 accuracy",
      validation_exact: "Validation exact",
    }))
      equal(labelOf(name), expected, name);
    const texts = (data) => factsOf(data).map(({ label, text }) => `${label}: ${text}`);
    same(
      texts({ greedy_exact: 0.991, greedy_low: 0.9855, greedy_high: 0.9945, seed: 1234567, cpu_minutes: 0.5 }),
      ["Exact, greedy: 99.10 % (98.55 to 99.45)", "Seed: 1234567", "Processor time: 30 s"],
      "facts",
    );
    same(texts({ x_low: 1, loss: 2.5, loss_low: 2, loss_high: 3 }), ["X low: 1", "Loss: 2.5 (2 to 3)"], "other bounds");
    equal(fineDuration(60 * 7.1e-5), "4 ms", "milliseconds");
    equal(fineDuration(0), "0 s", "none");
    equal(fineDuration(2.46), "2.5 s", "seconds");
  });
  await test("units: a form takes up an old job's config", () => {
    const values = valuesOf(table, { games: 7, a: { playouts: 5 } });
    equal(values.games, "7", "games");
    equal(values.a.playouts, "5", "nested");
  });
}

async function numberTests() {
  await test("units: numbers that a double would bend are sent digit by digit", () => {
    equal(numberOf("9007199254740991"), 9007199254740991, "the largest that is kept");
    equal(numberOf(" 9007199254740993 "), 9007199254740993n, "beyond it");
    equal(numberOf("1e3"), 1000, "other notations");
    equal(numberOf("many"), "many", "no number");
    equal(numberOf(""), "", "nothing");
    const document = { seed: numberOf("9007199254740993"), name: "7\u0000", list: [numberOf("-18446744073709551616")] };
    equal(
      toJson(document),
      '{"seed":9007199254740993,"name":"7\\u0000","list":[-18446744073709551616]}',
      "as JSON, other texts untouched",
    );
  });
}

async function trainingTests() {
  const points = (values) => new Map(values.map((value, i) => [10 * (i + 1), value]));
  await test("units: metrics are drawn together by what they measure", () => {
    same(splitName("validation_loss"), { base: "loss", part: "validation" }, "a part's name");
    same(splitName("samples_per_s"), { base: "samples_per_s", part: "" }, "a name with other words");
    const series = new Map(
      ["lr", "epoch", "validation_accuracy", "loss", "accuracy", "validation_loss", "test_accuracy", "zeal"].map(
        (name) => [name, points([1, 2])],
      ),
    );
    const charts = chartsOf(series).map(({ base, lines }) => [base, lines.map(({ part }) => part)]);
    same(
      charts,
      [
        ["loss", ["training", "validation"]],
        ["accuracy", ["training", "validation", "test"]],
        ["lr", [""]],
        ["zeal", [""]],
      ],
      "charts",
    );
  });
  await test("units: lines: in order, thinned, the last kept; repeated steps replace", () => {
    let series = addMetrics(new Map(), [
      { name: "loss", step: 20, value: 2 },
      { name: "loss", step: 10, value: 3 },
    ]);
    series = addMetrics(series, [{ name: "loss", step: 20, value: 1 }]);
    same(
      toLine(series.get("loss")),
      [
        [10, 20],
        [3, 1],
      ],
      "line",
    );
    equal(latestOf(series, "loss"), 1, "latest");
    equal(latestOf(series, "accuracy"), null, "latest of none");
    const long = new Map(Array.from({ length: 12345 }, (_, i) => [i, i]));
    const [steps] = toLine(long);
    ok(steps.length < 1100 && steps.length > 900, `about 1,000 points, got ${steps.length}`);
    equal(steps.at(-1), 12344, "the last step");
    same(
      toLine(
        new Map([
          [1, NaN],
          [2, 5],
        ]),
      ),
      [[2], [5]],
      "what is no number is left out",
    );
  });
  await test("units: a logarithmic scale is offered where it can be, chosen where it tells more", () => {
    const line = (values) => [{ data: [values.map((_, i) => i), values] }];
    same(logScale(line([2.3, 0.2])), { possible: true, better: false }, "a loss");
    same(logScale(line([0.1, 0.00001])), { possible: true, better: true }, "a learning rate");
    same(logScale(line([1, 0])), { possible: false, better: false }, "with zero");
    same(
      bestOf("loss", [
        [1, 2, 3],
        [3, 1, 2],
      ]),
      { step: 2, value: 1 },
      "best loss",
    );
    same(
      bestOf("accuracy", [
        [1, 2, 3],
        [0.3, 0.9, 0.2],
      ]),
      { step: 2, value: 0.9 },
      "best accuracy",
    );
    equal(
      bestOf("lr", [
        [1, 2],
        [1, 2],
      ]),
      null,
      "no best learning rate",
    );
  });
  await test("units: a confusion matrix: recall, precision, mistakes, what is no matrix", () => {
    const confusion = readConfusion({
      classes: ["a", "b", "c"],
      matrix: [
        [8, 2, 0],
        [1, 4, 5],
        [0, 0, 0],
      ],
    });
    same([confusion.right, confusion.count], [12, 20], "right and all");
    equal(recallOf(confusion, 1), 0.4, "recall");
    equal(precisionOf(confusion, 0), 8 / 9, "precision");
    ok(Number.isNaN(recallOf(confusion, 2)), "no recall of a class without samples");
    same(
      mistakesOf(confusion, 2),
      [
        { truth: "b", predicted: "c", count: 5, share: 0.5 },
        { truth: "a", predicted: "b", count: 2, share: 0.2 },
      ],
      "mistakes",
    );
    equal(strengthOf(confusion, 0, 0), 0.8, "strength of what is right");
    equal(strengthOf(confusion, 1, 2), Math.sqrt(0.5), "strength of a mistake");
    equal(strengthOf(confusion, 2, 2), 0, "strength in an empty row");
    equal(readConfusion({ classes: ["a", "b"], matrix: [[1, 2]] }), null, "not square");
    equal(readConfusion({ classes: ["a"], matrix: [["x"]] }), null, "not numbers");
    equal(readConfusion(null), null, "nothing");
  });
}

async function inputTests() {
  const digest = "ab".repeat(32);
  const stored = {
    kinds: [
      { name: "selfplay", outputs: ["games"] },
      { name: "classify", outputs: ["checkpoint"] },
    ],
    jobs: [
      { id: 4, kind: "classify", name: "first", state: "succeeded" },
      { id: 3, kind: "selfplay", name: "", state: "running" },
    ],
    datasets: [{ id: 2, name: "fashion", info: { format: "idx" } }],
    checkpoints: [
      { sha256: digest, name: "checkpoint", step: 800, job: 4, created_ms: 0 },
      { sha256: "cd".repeat(32), name: "state", step: 800, job: 4, created_ms: 0 },
    ],
  };
  const texts = (takes, now) =>
    choicesFor({ name: "x", takes }, stored, now).map(({ label, choices }) => [label, choices.map(({ text }) => text)]);
  await test("units: an input offers by name what it takes, and nothing else", () => {
    same(texts(["dataset"]), [["Data sets", ["fashion (#2, idx)"]]], "data sets");
    same(texts(["games"]), [["Outputs of jobs", ["games of #3 selfplay (running)"]]], "games");
    same(
      texts(["checkpoint"]),
      [
        ["Outputs of jobs", ["checkpoint of #4 first (succeeded)"]],
        ["Checkpoints", ["checkpoint abababababab, step 800, of #4 first"]],
      ],
      "checkpoints, without what is only a training's state",
    );
    same(texts(["dataset"], { dataset: "digits" }).at(-1), ["As given", ["data set digits"]], "what an old job had");
    same(texts(["dataset"], { dataset: 2 }).length, 1, "what is known stands once");
    const of = (...formats) => choicesFor({ name: "x", takes: ["dataset"], formats }, stored).length;
    same([of(), of("sgf"), of("png", "idx")], [1, 0, 1], "data sets of a format that fits");
    equal(inputText({ job: 3, output: "games" }), "games of #3", "in words");
    equal(inputText({ checkpoint: digest }), "checkpoint abababababab", "a digest in words");
  });
}

async function activityTests() {
  const job = (id, state, ended, name = "") => ({ id, kind: "match", name, state, ended_ms: ended, error: null });
  const anna = { id: 1, name: "anna", online: true, created_ms: 50 };
  const texts = (lines) => lines.map(({ text }) => text);
  await test("units: what happened: from the lists, then from events, each once", () => {
    let lines = activityOf([job(3, "running", null), job(2, "failed", 90), job(1, "succeeded", 40, "first")], [anna]);
    same(texts(lines), ["match 2 has failed", "anna joined", "first is done"], "from the lists, newest first");
    equal(afterJob(lines, job(2, "failed", 90)), lines, "an end that is known");
    equal(afterJob(lines, job(3, "running", null)), lines, "a job that goes on");
    lines = afterJob(lines, job(3, "cancelled", 120));
    equal(afterWorker(lines, anna, { ...anna, leased: 1 }, 130), lines, "a worker that only works");
    lines = afterWorker(lines, anna, { ...anna, online: false }, 140);
    lines = afterWorker(lines, { ...anna, online: false }, anna, 150);
    lines = afterWorker(lines, undefined, { id: 2, name: "attic", online: true, created_ms: 160 }, 161);
    same(
      texts(lines).slice(0, 4),
      ["attic joined", "anna is back", "anna has left", "match 3 was cancelled"],
      "from events",
    );
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
  await numberTests();
  await trainingTests();
  await inputTests();
  await activityTests();
  await rateTests();
}
