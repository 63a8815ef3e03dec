// kinds.mjs - GET /kinds as the mock answers it: the shapes of proto/kinds, shortened.

const int = (name, min, max, initial, unit, help) => ({
  name,
  type: "int",
  min,
  max,
  default: initial,
  unit,
  choices: null,
  fields: null,
  required: false,
  help,
});
const number = (...args) => ({ ...int(...args), type: "number" });
const choice = (name, choices, initial, help) => ({
  name,
  type: "choice",
  min: 0,
  max: 0,
  default: initial,
  unit: null,
  choices,
  fields: null,
  required: false,
  help,
});
const bool = (name, initial, help) => ({
  name,
  type: "bool",
  min: 0,
  max: 0,
  default: initial,
  unit: null,
  choices: null,
  fields: null,
  required: false,
  help,
});
const string = (name, min, max, initial, help) => ({
  name,
  type: "string",
  min,
  max,
  default: initial,
  unit: null,
  choices: null,
  fields: null,
  required: false,
  help,
});
const object = (name, fields, help) => ({
  name,
  type: "object",
  min: 0,
  max: 0,
  default: null,
  unit: null,
  choices: null,
  fields,
  required: false,
  help,
});

const game = [
  int("board", 2, 19, 9, "points", "board size"),
  number("komi", -361, 361, 7, "points", "compensation for White, a multiple of 0.5"),
  choice(
    "rules",
    ["chinese", "tromp-taylor"],
    "chinese",
    "chinese: area scoring, no suicide; tromp-taylor: area scoring, suicide allowed",
  ),
  choice("ko", ["positional", "situational", "simple"], "positional", "which repetitions are forbidden"),
  int("max_moves", 0, 10000, 0, "moves", "a longer game is scored as it stands; 0: three times the number of points"),
];

/** For these types of player alone, or with these choices of another option. */
const when = (choices, option, chosen = "type") => ({ ...option, when: { option: chosen, choices } });

const player = [
  choice("type", ["uct", "puct", "engine"], "uct", "our own search, or a GTP engine of the worker"),
  when(["engine"], string("engine", 0, 64, "", "the engine's name on the worker")),
  when(["uct", "puct"], int("playouts", 1, 10000000, 1000, "playouts", "a move's search")),
  when(["puct"], number("c_puct", 0, 100, 1.25, null, "weight of the prior")),
  number("seconds", 0, 3600, 0, "s", "a move's time; 0: by playouts alone"),
  number("resign", 0, 1, 0.1, null, "gives up below this chance of winning; 0: never"),
];

const sprt = [
  bool("enabled", false, "stop as soon as the result is clear"),
  number("elo0", -1000, 1000, 0, "Elo", "not stronger than this"),
  number("elo1", -1000, 1000, 20, "Elo", "at least this much stronger"),
  number("alpha", 0.0001, 0.5, 0.05, null, "chance of a wrong acceptance"),
  number("beta", 0.0001, 0.5, 0.05, null, "chance of a wrong rejection"),
];

const count = int("games", 1, 10000000, 1000, "games", "games to play");
const task = int("games_per_task", 1, 1000, 8, "games", "games that a worker takes at a time");
const seed = int("seed", 0, 2 ** 53 - 1, 0, null, "of everything random; 0: chosen by the coordinator");

export const kinds = [
  {
    name: "selfplay",
    summary: "a player against itself",
    unit: "games",
    split: "count",
    options: [
      count,
      task,
      ...game,
      object("player", player, "who plays both sides"),
      int("opening_moves", 0, 100, 4, "moves", "random moves at the start"),
      seed,
    ],
    inputs: [],
    outputs: ["games"],
  },
  {
    name: "teacher",
    summary: "a GTP engine against itself, for expert games",
    unit: "games",
    split: "count",
    options: [
      count,
      task,
      ...game,
      string("engine", 1, 64, "gnugo", "the engine's name on the worker"),
      int("opening_moves", 0, 100, 6, "moves", "random moves at the start"),
      seed,
    ],
    inputs: [],
    outputs: ["games"],
  },
  {
    name: "match",
    summary: "two players, colours alternating, openings in pairs",
    unit: "games",
    split: "count",
    options: [
      count,
      task,
      ...game,
      object("a", player, "the first player, whose score it is"),
      object("b", player, "the second player"),
      object("sprt", sprt, "a sequential test"),
      seed,
    ],
    inputs: [],
    outputs: ["games"],
  },
  {
    name: "classify",
    summary: "trains a network to tell images apart",
    unit: "runs",
    split: "one",
    options: [
      object(
        "network",
        [
          choice("family", ["resnet", "vgg", "densenet"], "resnet", "of the network's body"),
          when(["resnet", "vgg"], string("stages", 0, 400, "", "channels of each block or layer"), "family"),
          when(["resnet"], choice("form", ["", "basic", "bottleneck"], "", "of a block"), "family"),
          when(["densenet"], int("growth", 0, 512, 0, "channels", "what each layer adds"), "family"),
          int("hidden", 0, 8192, 0, null, "units of two hidden layers; 0: global average instead"),
        ],
        "what is trained",
      ),
      number("epochs", 0, 10000, 10, null, "passes over the training images"),
      seed,
    ],
    inputs: [
      { name: "data", required: true, takes: ["dataset"], help: "labelled images" },
      { name: "network", required: false, takes: ["checkpoint"], help: "a checkpoint to begin with" },
    ],
    outputs: ["checkpoint"],
  },
  {
    name: "evaluate",
    summary: "scores a checkpoint on labelled images",
    unit: "runs",
    split: "one",
    options: [int("batch", 1, 4096, 100, "samples", "images at a time")],
    inputs: [
      { name: "network", required: true, takes: ["checkpoint"], help: "the checkpoint" },
      { name: "data", required: true, takes: ["dataset"], help: "labelled images" },
    ],
    outputs: [],
  },
  {
    name: "sl-policy",
    summary: "learns to predict expert moves",
    unit: "runs",
    split: "one",
    options: [seed],
    inputs: [{ name: "games", required: true, takes: ["games", "dataset"], help: "expert games" }],
    outputs: ["checkpoint"],
  },
];

function fail(field, code, detail) {
  throw { status: 400, code, field, title: code.replaceAll("_", " "), detail };
}

/** The checks of proto/base/options.h, as far as the tests need them; throws a problem. */
export function check(options, given, path) {
  const config = {};
  for (const name of Object.keys(given || {})) {
    if (!options.some((option) => option.name === name))
      fail(`${path}.${name}`, "unknown_option", `there is no option ${name}`);
  }
  for (const option of options) {
    const field = `${path}.${option.name}`;
    if (option.type === "object") {
      config[option.name] = check(option.fields, given?.[option.name], field);
      continue;
    }
    const value = given?.[option.name] ?? option.default;
    if (option.type === "int" || option.type === "number") {
      if (typeof value !== "number") fail(field, "wrong_type", `must be a number, is ${JSON.stringify(value)}`);
      if (value < option.min || value > option.max)
        fail(field, "out_of_range", `must be ${option.min} to ${option.max}, is ${value}`);
    }
    config[option.name] = value;
  }
  return config;
}
