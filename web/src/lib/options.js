// options.js - between the option tables of GET /kinds, the texts in a form's fields, and the JSON of a job.
//
// The server checks; this file only turns what was typed into JSON. Text that is no number is sent as it is, so that the
// server's own sentence about it appears at the field.

/** The form's values for a table: texts, booleans, and objects of them. `config` overrides the defaults. */
export function valuesOf(options, config = {}) {
  const values = {};
  for (const option of options) {
    const given = config?.[option.name];
    if (option.type === "object") values[option.name] = valuesOf(option.fields || [], given ?? option.default ?? {});
    else values[option.name] = toField(option, given ?? option.default);
  }
  return values;
}

function toField(option, value) {
  if (option.type === "bool") return Boolean(value);
  if (option.type === "list") return (value || []).join("\n");
  if (value === null || value === undefined) return "";
  return String(value);
}

/** A typed number. Whole ones that a double would bend are kept digit by digit; what is no number stays as typed. */
export function numberOf(text) {
  const trimmed = text.trim();
  if (/^-?\d+$/.test(trimmed) && !Number.isSafeInteger(Number(trimmed))) return BigInt(trimmed);
  const number = Number(trimmed);
  return trimmed === "" || Number.isNaN(number) ? text : number;
}

function fromField(option, value) {
  if (option.type === "bool") return value;
  if (option.type === "list") return value.split("\n").filter((line) => line.trim());
  if (option.type === "int" || option.type === "number") return numberOf(value);
  return value;
}

const valueAt = (values, path) => path.split(".").reduce((value, name) => value?.[name], values);

/** Whether an option says anything beside these values: some do for one type of player alone, or for a family of networks. */
export const applies = ({ when }, values) =>
  !when || when.choices.includes(valueAt(values, when.option)) || Boolean(when.or_given && values[when.or_given]);

/** What was typed, as a config: only what differs from the defaults, and what is required; nothing that does not apply. */
export function configOf(options, values) {
  const config = {};
  for (const option of options.filter((one) => applies(one, values))) {
    const value = values[option.name];
    if (option.type === "object") {
      const inner = configOf(option.fields || [], value);
      if (Object.keys(inner).length) config[option.name] = inner;
      continue;
    }
    if (value === toField(option, option.default)) continue;
    if (value === "" && !option.required) continue;
    config[option.name] = fromField(option, value);
  }
  return config;
}

/** "1 to 10,000,000 games", "" when there is nothing to say. */
export function rangeText(option) {
  if (option.type !== "int" && option.type !== "number") return option.unit || "";
  const number = (n) => {
    for (const [size, name] of [
      [1e9, "billion"],
      [1e6, "million"],
    ])
      if (Math.abs(n) >= size && n % size === 0) return `${n / size} ${name}`.replace("-", "\u2212");
    return n.toLocaleString("en").replace("-", "\u2212");
  };
  const { min, max } = option;
  if (!Number.isFinite(min) || !Number.isFinite(max) || (min === 0 && max === 0)) return option.unit || "";
  const high = max >= Number.MAX_SAFE_INTEGER ? "" : number(max);
  return `${high ? `${number(min)} to ${high}` : `${number(min)} or more`}${option.unit ? ` ${option.unit}` : ""}`;
}
