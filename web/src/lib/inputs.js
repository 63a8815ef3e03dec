// inputs.js - what a job may take as an input: a data set, a stored checkpoint, or what another job makes.

import { date } from "./format.js";

const OUTPUT_TAKEN_AS = { games: "games" }; // all other outputs are checkpoints
const SHORT = 12; // digits of a digest that tell it apart

const keyOf = (value) => JSON.stringify(value);

function datasetChoices(datasets, formats) {
  const fits = ({ info }) => !formats?.length || !info || formats.includes(info.format);
  const text = ({ id, name, info }) => `${name || "data set"} (#${id}${info ? `, ${info.format}` : ""})`;
  return datasets.filter(fits).map((set) => ({ value: { dataset: set.id }, text: text(set) }));
}

function outputChoices(kinds, jobs, takes) {
  const outputs = new Map(kinds.map((kind) => [kind.name, kind.outputs || []]));
  return jobs.flatMap((job) =>
    (outputs.get(job.kind) || [])
      .filter((output) => takes.includes(OUTPUT_TAKEN_AS[output] || "checkpoint"))
      .map((output) => ({
        value: { job: job.id, output },
        text: `${output} of #${job.id} ${job.name || job.kind} (${job.state})`,
      })),
  );
}

function checkpointChoices(checkpoints, jobs) {
  const nameOf = new Map(jobs.map((job) => [job.id, job.name || job.kind]));
  const text = ({ sha256, name, step, job, created_ms: created }) =>
    [
      `${name || "checkpoint"} ${sha256.slice(0, SHORT)}`,
      step ? `step ${step}` : "",
      job ? `of #${job} ${nameOf.get(job) || ""}`.trim() : `stored ${date(created)}`,
    ]
      .filter(Boolean)
      .join(", ");
  return checkpoints
    .filter(({ name }) => name !== "state") // an optimizer's arrays are no network
    .map((checkpoint) => ({ value: { checkpoint: checkpoint.sha256 }, text: text(checkpoint) }));
}

/** What an input says in words: "data set 3", "checkpoint of #12". */
export function inputText(value) {
  if (value?.dataset !== undefined) return `data set ${value.dataset}`;
  if (value?.checkpoint) return `checkpoint ${value.checkpoint.slice(0, SHORT)}`;
  if (value?.job) return `${value.output} of #${value.job}`;
  return JSON.stringify(value);
}

/**
 * [{label, choices: [{key, value, text}]}] for an input of a kind, by where it comes from; what `now` holds is among them
 * even when it is not known here. `stored` is {kinds, jobs, datasets, checkpoints}.
 */
export function choicesFor(input, { kinds, jobs, datasets, checkpoints }, now) {
  const takes = input.takes || ["games"];
  const groups = [];
  const add = (label, choices) => {
    if (choices.length) groups.push({ label, choices: choices.map((one) => ({ ...one, key: keyOf(one.value) })) });
  };
  if (takes.includes("dataset")) add("Data sets", datasetChoices(datasets, input.formats));
  add("Outputs of jobs", outputChoices(kinds, jobs, takes));
  if (takes.includes("checkpoint")) add("Checkpoints", checkpointChoices(checkpoints, jobs));
  const known = now === undefined || groups.some(({ choices }) => choices.some(({ key }) => key === keyOf(now)));
  if (!known) add("As given", [{ value: now, text: inputText(now) }]);
  return groups;
}
