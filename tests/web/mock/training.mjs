// training.mjs - what the mock's training jobs have to show: curves, reports, checkpoints, data sets.

import { createHash } from "node:crypto";
import { greyPng } from "./png.mjs";

const CLASSES = ["t-shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle boot"];
// What is often taken for what: pairs of classes and how many of 1,000.
const MIXED = [
  [6, 0, 92],
  [0, 6, 71],
  [6, 2, 58],
  [2, 4, 49],
  [4, 2, 41],
  [6, 4, 44],
  [4, 6, 38],
  [2, 6, 33],
  [3, 6, 17],
  [7, 9, 21],
  [9, 7, 30],
  [5, 7, 9],
  [8, 6, 4],
];

export const digest = (text) => createHash("sha256").update(text).digest("hex");

function confusion() {
  const matrix = CLASSES.map(() => CLASSES.map(() => 0));
  for (const [truth, predicted, count] of MIXED) matrix[truth][predicted] = count;
  matrix.forEach((row, i) => (row[i] = 1000 - row.reduce((sum, n) => sum + n, 0)));
  return { classes: CLASSES, matrix };
}

/** A blob that differs from class to class, so that the pictures can be told apart. */
function picture(kind, random) {
  const [cx, cy, turn] = [13 + 2 * random(), 13 + 2 * random(), random()];
  const at = (x, y) => {
    const angle = Math.atan2(y - cy, x - cx) + turn;
    const reach = 8 + 4 * Math.cos((2 + (kind % 5)) * angle);
    return Math.max(0, Math.min(255, 230 - 22 * Math.max(0, Math.hypot(x - cx, y - cy) - reach) ** 2 - 20 * random()));
  };
  return greyPng(28, at).toString("base64");
}

function samples(random) {
  const items = Array.from({ length: 24 }, (_, i) => {
    const [truth, predicted] = i < 8 ? MIXED[i] : [i % 10, i % 10];
    const confidence = i < 8 ? 0.99 - i / 20 : 0.6 + 0.399 * random();
    return { png: picture(truth, random), label: CLASSES[truth], predicted: CLASSES[predicted], confidence };
  });
  return { items };
}

function curves(world, job, steps, { rate, floor }) {
  const metrics = world.metrics.get(job.id);
  const add = (name, step, value) =>
    metrics.push({ name, step, value, time_ms: job.started_ms + (step * (job.spent || 600000)) / steps });
  for (let step = 50; step <= steps; step += 50) {
    const share = step / steps;
    const loss = floor + 2.2 * Math.exp(-share * rate) + 0.05 * world.random();
    add("loss", step, loss);
    add("accuracy", step, 1 - 0.28 * loss - 0.01 * world.random());
    add("lr", step, 0.1 * (1 + Math.cos(Math.PI * share)) * 0.5 + 1e-5);
    add("epoch", step, (10 * step) / 8000);
    add("progress", step, step / 8000);
    add("samples_per_s", step, 1800 + 60 * world.random());
    if (step % 500) continue;
    add("validation_loss", step, loss + 0.03 + 0.06 * share);
    add("validation_accuracy", step, 0.985 - 0.28 * (loss + 0.03));
  }
}

function keep(world, job, step) {
  for (const name of ["checkpoint", "state"]) {
    world.checkpoints.unshift({
      id: world.checkpoints.length + 1,
      sha256: digest(`${job.id} ${name} ${step}`),
      bytes: name === "state" ? 2412288 : 1204872,
      name,
      step,
      job: job.id,
      task: 1,
      created_ms: job.started_ms + step * 100,
      metadata: {
        format: "tengen",
        architecture: JSON.stringify({ version: 1, trunk: { family: "resnet", stages: "16x2 / 32x2 / 64x2" } }),
        step: String(step),
      },
    });
  }
}

export function addDataset(world, name, bytes, info) {
  const id = world.datasets.length + 1;
  const set = { id, name, sha256: digest(`set ${id} ${name}`), bytes, created_ms: Date.now() - 7200000 / id, info };
  world.datasets.unshift(set);
  return set;
}

function runTraining(world, { name, family, state, minutes, curve, seed }) {
  const job = world.addJob({
    kind: "classify",
    name,
    config: { network: { family }, seed },
    inputs: { data: { dataset: 1 } },
  });
  const ended = state === "succeeded";
  Object.assign(job, { state, reason: "", started_ms: Date.now() - minutes * 60000, spent: minutes * 55000 });
  job.created_ms = job.started_ms - 3000;
  job.ended_ms = ended ? Date.now() - minutes * 2000 : null;
  job.units = { total: 1, done: ended ? 1 : 0, leased: ended ? 0 : 1 };
  Object.assign(job, { progress: ended ? 1 : 4500 / 8000, eta_s: ended ? null : 1200 });
  job.tasks = { pending: 0, leased: ended ? 0 : 1, done: ended ? 1 : 0, failed: 0 };
  curves(world, job, ended ? 8000 : 4500, curve);
  return job;
}

/** Two training jobs, one with all there is to show, and the data sets that they learn from. */
export function train(world) {
  addDataset(world, "fashion-mnist", 30878645, {
    format: "idx",
    samples: 70000,
    train: 60000,
    test: 10000,
    classes: 10,
    class_names: CLASSES,
    height: 28,
    width: 28,
    channels: 1,
  });
  addDataset(world, "signs", 9120034, {
    format: "png",
    samples: 2000,
    train: 2000,
    test: 0,
    classes: 43,
    height: 32,
    width: 48,
    channels: 3,
  });
  addDataset(world, "go9-train", 3402332, {
    format: "sgf",
    samples: 9480,
    games: 9480,
    usable: 9479,
    boards: { 9: 9479 },
  });
  const done = runTraining(world, {
    name: "resnet on fashion",
    family: "resnet",
    state: "succeeded",
    minutes: 40,
    curve: { rate: 6, floor: 0.16 },
    seed: 7,
  });
  keep(world, done, 4000);
  keep(world, done, 8000);
  const report = (name, data) => ({ name, step: 8000, time_ms: done.ended_ms, data });
  const matrix = confusion();
  const right = matrix.matrix.reduce((sum, row, i) => sum + row[i], 0);
  world.reports.set(done.id, [
    report("confusion", matrix),
    report("samples", samples(world.random)),
    report("summary", {
      family: "resnet",
      test_accuracy: right / 10000,
      test_accuracy_low: right / 10000 - 0.005,
      test_accuracy_high: right / 10000 + 0.0048,
      test_top5: 0.9981,
      cpu_minutes: 38.25,
      test_images: 10000,
      parameters: 301130,
      end: "budget",
    }),
    report("classes", {
      items: CLASSES.map((name, i) => ({ class: name, accuracy: matrix.matrix[i][i] / 1000, count: 1000 })),
    }),
  ]);
  runTraining(world, {
    name: "vgg on fashion",
    family: "vgg",
    state: "running",
    minutes: 22,
    curve: { rate: 4, floor: 0.22 },
    seed: 8,
  });
}
