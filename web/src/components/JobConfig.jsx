// JobConfig.jsx - every option of a job, and its inputs, as one list of dotted names.

import { words } from "../lib/format.js";
import { inputText } from "../lib/inputs.js";

function flat(object, prefix = "") {
  return Object.entries(object || {}).flatMap(([name, value]) => {
    const path = prefix ? `${prefix}.${name}` : name;
    return value && typeof value === "object" && !Array.isArray(value) ? flat(value, path) : [[path, value]];
  });
}

const text = (value) => (Array.isArray(value) ? value.join(", ") : value === "" ? "–" : String(value));

function Pairs({ pairs }) {
  return (
    <dl class="facts config">
      {pairs.map(([path, value]) => (
        <>
          <dt>
            <code>{path}</code>
          </dt>
          <dd class="num">{text(value)}</dd>
        </>
      ))}
    </dl>
  );
}

function Input({ input }) {
  if (input.job) return <a href={`#/jobs/${input.job}`}>{inputText(input)}</a>;
  if (input.dataset !== undefined) return <a href="#/datasets">{inputText(input)}</a>;
  if (input.checkpoint) return <a href={`/api/v1/checkpoints/${input.checkpoint}`}>{inputText(input)}</a>;
  return inputText(input);
}

export function JobConfig({ job }) {
  const inputs = Object.entries(job.inputs || {});
  return (
    <div class="panel-pad">
      <Pairs pairs={flat(job.config)} />
      {inputs.length > 0 && (
        <>
          <h3>Inputs</h3>
          <dl class="facts config">
            {inputs.map(([name, input]) => (
              <>
                <dt>{words(name)}</dt>
                <dd>
                  <Input input={input} />
                </dd>
              </>
            ))}
          </dl>
        </>
      )}
    </div>
  );
}
