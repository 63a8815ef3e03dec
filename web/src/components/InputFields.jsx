// InputFields.jsx - what a job consumes, chosen by name from what is stored and from what other jobs make.

import { words } from "../lib/format.js";
import { choicesFor } from "../lib/inputs.js";
import { Field } from "./OptionForm.jsx";

const MISSING = {
  dataset: <a href="#/datasets">Add a data set</a>,
  checkpoint: "No job has made a checkpoint yet.",
  games: "No job makes games yet.",
};

function InputField({ input, stored, value, onChange, problem }) {
  const groups = choicesFor(input, stored, value);
  const chosen = value === undefined ? "" : JSON.stringify(value);
  const hint = [input.help, input.required ? "" : "may be left out"].filter(Boolean).join(" · ");
  return (
    <Field path={`inputs.${input.name}`} label={words(input.name)} hint={hint} problem={problem} wide>
      {(attributes) => (
        <>
          <select
            {...attributes}
            value={chosen}
            onChange={(event) => onChange(event.target.value ? JSON.parse(event.target.value) : undefined)}
            required={input.required}
          >
            <option value="">{input.required ? "choose one" : "none"}</option>
            {groups.map(({ label, choices }) => (
              <optgroup label={label} key={label}>
                {choices.map(({ key, text }) => (
                  <option key={key} value={key}>
                    {text}
                  </option>
                ))}
              </optgroup>
            ))}
          </select>
          {!groups.length && <p class="help">{(input.takes || []).map((one) => MISSING[one])}</p>}
        </>
      )}
    </Field>
  );
}

/** `stored`: {kinds, jobs, datasets, checkpoints}; `inputs`: by name, as the job's document has them. */
export function InputFields({ kind, stored, inputs, onChange, problem }) {
  const change = (name) => (value) => {
    const { [name]: _, ...rest } = inputs;
    onChange(value === undefined ? rest : { ...rest, [name]: value });
  };
  return (
    <div class="fields">
      {kind.inputs.map((input) => (
        <InputField
          key={input.name}
          input={input}
          stored={stored}
          value={inputs[input.name]}
          onChange={change(input.name)}
          problem={problem}
        />
      ))}
    </div>
  );
}
