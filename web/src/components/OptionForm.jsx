// OptionForm.jsx - the fields of an option table, whatever the kind: one component for each type.

import { useId } from "preact/hooks";
import { sentence, words } from "../lib/format.js";
import { applies, rangeText } from "../lib/options.js";

/** The sentence of a problem that names this path, if it does. */
const problemAt = (problem, path) => (problem && problem.field === path ? problem.detail || problem.title : "");

/** A label, the control that `children` draws, its help and its problem. */
export function Field({ path, label, hint, problem, children, wide = false, plain = false }) {
  const id = useId();
  const wrong = problemAt(problem, path);
  const described = [hint && `${id}-help`, wrong && `${id}-wrong`].filter(Boolean).join(" ") || undefined;
  return (
    <div class={`field${wide ? " wide" : ""}${wrong ? " wrong" : ""}`} data-field={path}>
      {!plain && <label for={id}>{label}</label>}
      {children({ id, name: path, "aria-describedby": described, "aria-invalid": wrong ? "true" : undefined })}
      {hint && (
        <p class="help" id={`${id}-help`}>
          {hint}
        </p>
      )}
      {wrong && (
        <p class="problem" id={`${id}-wrong`}>
          {wrong}
        </p>
      )}
    </div>
  );
}

function hintOf(option) {
  const text = [option.help, rangeText(option)].filter(Boolean).join(" · ");
  return sentence(text);
}

function Control({ option, value, onChange, attributes, suggestions }) {
  const text = (event) => onChange(event.target.value);
  if (option.type === "choice") {
    return (
      <select {...attributes} value={value} onChange={text}>
        {option.choices.map((choice) => (
          <option key={choice} value={choice}>
            {words(choice) || "default"}
          </option>
        ))}
      </select>
    );
  }
  if (option.type === "list")
    return <textarea {...attributes} rows={3} value={value} onInput={text} placeholder="one a line" />;
  const numeric = option.type === "int" || option.type === "number";
  const list = suggestions?.length ? `${attributes.id}-list` : undefined;
  return (
    <>
      <input
        {...attributes}
        type="text"
        inputMode={numeric ? (option.type === "int" && option.min >= 0 ? "numeric" : "decimal") : undefined}
        class={numeric ? "num" : ""}
        value={value}
        onInput={text}
        required={option.required}
        autoComplete="off"
        list={list}
      />
      {list && (
        <datalist id={list}>
          {suggestions.map((name) => (
            <option key={name} value={name} />
          ))}
        </datalist>
      )}
    </>
  );
}

function BoolField({ option, path, value, onChange, problem }) {
  return (
    <Field path={path} hint={option.help} problem={problem} plain>
      {(attributes) => (
        <label class="check">
          <input {...attributes} type="checkbox" checked={value} onChange={(event) => onChange(event.target.checked)} />
          {words(option.name)}
        </label>
      )}
    </Field>
  );
}

function OptionField(props) {
  const { option, path, value, onChange, problem, suggest } = props;
  if (option.type === "bool") return <BoolField {...props} />;
  return (
    <Field path={path} label={words(option.name)} hint={hintOf(option)} problem={problem} wide={option.type === "list"}>
      {(attributes) => (
        <Control
          option={option}
          value={value}
          onChange={onChange}
          attributes={attributes}
          suggestions={suggest(option)}
        />
      )}
    </Field>
  );
}

/**
 * All fields of `options`; `values` as valuesOf() makes them. onChange gets the whole new values. `path` is the table's own
 * ("config", "config.a"). suggest(option) gives names that a text field may offer.
 */
export function OptionFields({ options, values, onChange, path, problem, suggest }) {
  const change = (name) => (value) => onChange({ ...values, [name]: value });
  const applying = options.filter((option) => applies(option, values));
  const simple = applying.filter((option) => option.type !== "object");
  const objects = applying.filter((option) => option.type === "object");
  return (
    <>
      <div class="fields">
        {simple.map((option) => (
          <OptionField
            key={option.name}
            option={option}
            path={`${path}.${option.name}`}
            value={values[option.name]}
            onChange={change(option.name)}
            problem={problem}
            suggest={suggest}
          />
        ))}
      </div>
      {objects.length > 0 && (
        <div class="objects">
          {objects.map((option) => (
            <fieldset key={option.name} class="object" data-field={`${path}.${option.name}`}>
              <legend>{words(option.name)}</legend>
              {option.help && <p class="help">{sentence(option.help)}</p>}
              {problemAt(problem, `${path}.${option.name}`) && (
                <p class="problem">{problemAt(problem, `${path}.${option.name}`)}</p>
              )}
              <OptionFields
                options={option.fields || []}
                values={values[option.name]}
                onChange={change(option.name)}
                path={`${path}.${option.name}`}
                problem={problem}
                suggest={suggest}
              />
            </fieldset>
          ))}
        </div>
      )}
    </>
  );
}
