// InputFields.jsx - what a job consumes: another job's output, chosen from those whose kind produces any.

import { words } from "../lib/format.js";
import { Field } from "./OptionForm.jsx";

function producers(kinds, jobs) {
  const outputs = new Map(kinds.map((kind) => [kind.name, kind.outputs || []]));
  return jobs.flatMap((job) => (outputs.get(job.kind) || []).map((output) => ({ job, output })));
}

const valueOf = (input) => (input?.job ? `${input.job}:${input.output}` : "");

export function InputFields({ kind, kinds, jobs, inputs, onChange, problem }) {
  const choices = producers(kinds, jobs);
  const change = (name) => (event) => {
    const next = { ...inputs };
    const [job, output] = event.target.value.split(":");
    if (job) next[name] = { job: Number(job), output };
    else delete next[name];
    onChange(next);
  };
  return (
    <div class="fields">
      {kind.inputs.map((input) => (
        <Field
          key={input.name}
          path={`inputs.${input.name}`}
          label={words(input.name)}
          hint={`${input.help || ""}${input.required ? "" : " (may be left out)"}`}
          problem={problem}
        >
          {(attributes) => (
            <select {...attributes} value={valueOf(inputs[input.name])} onChange={change(input.name)}>
              <option value="">none</option>
              {choices.map(({ job, output }) => (
                <option key={`${job.id}:${output}`} value={`${job.id}:${output}`}>
                  {output} of #{job.id} {job.name || job.kind} ({job.state})
                </option>
              ))}
            </select>
          )}
        </Field>
      ))}
    </div>
  );
}
