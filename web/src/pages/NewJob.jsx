// NewJob.jsx - submits a job: by a form made from the kind's options, or as JSON; starting from a preset or an old job.

import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import presets from "presets";
import { get, idempotencyKey, post, toJson, withQuery } from "../lib/api.js";
import { words } from "../lib/format.js";
import { configOf, numberOf, valuesOf } from "../lib/options.js";
import { go } from "../lib/router.js";
import { useResource } from "../lib/resource.js";
import { Card, PageHead } from "../components/Page.jsx";
import { Field, OptionFields } from "../components/OptionForm.jsx";
import { InputFields } from "../components/InputFields.jsx";
import { LoadError, Skeleton } from "../components/Empty.jsx";
import { toast } from "../components/Toast.jsx";

async function load(from, signal) {
  const list = (path, limit) => get(withQuery(path, { limit }), signal).then((answer) => answer.items);
  const [{ kinds }, jobs, workers, datasets, checkpoints, old] = await Promise.all([
    get("/kinds", signal),
    list("/jobs", 200),
    list("/workers", 100),
    list("/datasets", 200),
    list("/checkpoints", 200),
    from ? get(`/jobs/${from}`, signal) : null,
  ]);
  return { kinds, jobs, workers, datasets, checkpoints, old };
}

/** What the form holds, from a job document (a preset, an old job) or from nothing. */
function draftOf(kind, document = {}) {
  return {
    kind: kind.name,
    name: document.name || "",
    priority: String(document.priority ?? 0),
    after: (document.after || []).join(", "),
    inputs: document.inputs || {},
    values: valuesOf(kind.options, document.config),
  };
}

function documentOf(kind, draft) {
  const document = { kind: kind.name };
  if (draft.name.trim()) document.name = draft.name.trim();
  if (draft.priority.trim() && draft.priority.trim() !== "0") document.priority = numberOf(draft.priority);
  const after = draft.after.split(/[\s,]+/).filter(Boolean);
  if (after.length) document.after = after.map(numberOf);
  document.config = configOf(kind.options, draft.values);
  if (Object.keys(draft.inputs).length) document.inputs = draft.inputs;
  return document;
}

/** The names after "engine:" that the workers offer, for options of that name. */
function suggestFrom(workers) {
  const names = new Set();
  for (const worker of workers)
    for (const capability of worker.capabilities || [])
      if (capability.startsWith("engine:")) names.add(capability.slice("engine:".length));
  return (option) => (option.name === "engine" ? [...names].sort() : []);
}

function KindChooser({ kinds, chosen, onChange }) {
  return (
    <fieldset class="kinds">
      <legend>Kind</legend>
      {kinds.map((kind) => (
        <label key={kind.name} class="kind">
          <input
            type="radio"
            name="kind"
            value={kind.name}
            checked={kind.name === chosen}
            onChange={() => onChange(kind.name)}
          />
          <span>
            <b>{words(kind.name)}</b>
            <span class="sub">{kind.summary}</span>
          </span>
        </label>
      ))}
    </fieldset>
  );
}

function CommonFields({ draft, change, problem }) {
  const field = (name) => (attributes) => (
    <input
      {...attributes}
      type="text"
      value={draft[name]}
      onInput={(event) => change({ [name]: event.target.value })}
      autoComplete="off"
    />
  );
  return (
    <div class="fields">
      <Field path="name" label="Name" hint="to find it again" problem={problem}>
        {field("name")}
      </Field>
      <Field path="priority" label="Priority" hint="the highest is done first" problem={problem}>
        {field("priority")}
      </Field>
      <Field
        path="after"
        label="After jobs"
        hint="their numbers, with commas between; it waits until all have succeeded"
        problem={problem}
      >
        {field("after")}
      </Field>
    </div>
  );
}

/** All paths that the form can show a problem at. */
function hasField(form, path) {
  return [...form.querySelectorAll("[data-field]")].find((element) => element.dataset.field === path);
}

function ProblemSummary({ problem, shownAtField }) {
  if (!problem) return <div role="alert" />;
  return (
    <div class="notice notice-bad" role="alert">
      <span>
        <b>{problem.title || "Not accepted"}.</b> {problem.field && !shownAtField && <code>{problem.field}</code>}{" "}
        {shownAtField ? `See “${words(problem.field.split(".").at(-1))}” below: ${problem.message}` : problem.message}
      </span>
    </div>
  );
}

function FormMode({ data, draft, setDraft, kind, problem }) {
  const change = (part) => setDraft({ ...draft, ...part });
  const suggest = useMemo(() => suggestFrom(data.workers), [data.workers]);
  const choose = (name) => setDraft({ ...draftOf(data.kinds.find((one) => one.name === name)), name: draft.name });
  return (
    <>
      <KindChooser kinds={data.kinds} chosen={kind.name} onChange={choose} />
      <Card title="Job">
        <CommonFields draft={draft} change={change} problem={problem} />
      </Card>
      {kind.inputs?.length > 0 && (
        <Card title="Inputs">
          <InputFields
            kind={kind}
            stored={data}
            inputs={draft.inputs}
            onChange={(inputs) => change({ inputs })}
            problem={problem}
          />
        </Card>
      )}
      <Card title="Options">
        <OptionFields
          key={kind.name}
          options={kind.options}
          values={draft.values}
          onChange={(values) => change({ values })}
          path="config"
          problem={problem}
          suggest={suggest}
        />
      </Card>
    </>
  );
}

function JsonMode({ text, setText, problem }) {
  return (
    <Card title="Job as JSON">
      <p class="help">
        One job, or a set with <code>"jobs": [...]</code> whose members name each other by <code>"local"</code>. Options
        that are left out take their defaults.
      </p>
      <Field path="json" label="JSON" problem={problem}>
        {(attributes) => (
          <textarea
            {...attributes}
            class="code"
            rows={20}
            spellcheck={false}
            value={text}
            onInput={(event) => setText(event.target.value)}
          />
        )}
      </Field>
    </Card>
  );
}

function ModeTabs({ mode, onChange }) {
  return (
    <div class="segmented" role="group" aria-label="How to write the job">
      {["form", "json"].map((name) => (
        <button type="button" key={name} aria-pressed={mode === name} onClick={() => onChange(name)}>
          {name === "form" ? "Form" : "JSON"}
        </button>
      ))}
    </div>
  );
}

function PresetChooser({ onChoose }) {
  if (!presets.length) return null;
  return (
    <label class="row gap-2">
      <span class="muted">Preset</span>
      <select
        onChange={(event) => {
          const preset = presets.find(({ file }) => file === event.target.value);
          if (preset) onChoose(preset.document);
        }}
      >
        <option value="">none</option>
        {presets.map(({ file }) => (
          <option key={file}>{file}</option>
        ))}
      </select>
    </label>
  );
}

const pretty = (document) => toJson(document, 2);

function Editor({ data, query }) {
  const first = data.kinds.find((kind) => kind.name === (data.old?.kind || query.kind)) || data.kinds[0];
  const [draft, setDraft] = useState(() => draftOf(first, data.old || {}));
  const [mode, setMode] = useState("form");
  const [text, setText] = useState("");
  const [problem, setProblem] = useState(null);
  const [busy, setBusy] = useState(false);
  const form = useRef(null);
  const key = useRef({ body: "", value: "" });
  const kind = data.kinds.find((one) => one.name === draft.kind);
  const shownAtField = Boolean(problem?.field && form.current && hasField(form.current, problem.field));

  useEffect(() => {
    if (!problem?.field) return;
    const field = hasField(form.current, problem.field);
    const control = field?.querySelector("input, select, textarea");
    field?.closest("details")?.setAttribute("open", "");
    control?.focus({ preventScroll: true });
    field?.scrollIntoView({ block: "center" });
  }, [problem]);

  const take = (document) => {
    setProblem(null);
    const known = !document.jobs && data.kinds.find((one) => one.name === document.kind);
    if (known) setDraft(draftOf(known, document));
    setText(pretty(document));
    setMode(known ? "form" : "json");
  };

  const changeMode = (next) => {
    if (next === mode) return;
    setProblem(null);
    if (next === "json") {
      setText(pretty(documentOf(kind, draft)));
      setMode("json");
      return;
    }
    try {
      const document = JSON.parse(text);
      if (document.jobs) throw new Error("a set of jobs has no form: submit it as it is");
      if (!data.kinds.some((one) => one.name === document.kind)) throw new Error("its kind is not known here");
      take(document);
    } catch (error) {
      setProblem({ title: "No form for this", message: error.message, detail: error.message, field: "json" });
    }
  };

  const body = () => {
    if (mode === "form") return documentOf(kind, draft);
    try {
      return JSON.parse(text);
    } catch (error) {
      throw { title: "Not valid JSON", message: error.message, detail: error.message, field: "json" };
    }
  };

  const submit = async (event) => {
    event.preventDefault();
    setBusy(true);
    try {
      const document = body();
      const serialized = pretty(document);
      if (key.current.body !== serialized) key.current = { body: serialized, value: idempotencyKey() };
      const answer = await post("/jobs", document, { "idempotency-key": key.current.value });
      const jobs = answer.jobs || [answer];
      toast(jobs.length > 1 ? `${jobs.length} jobs submitted` : `Job ${jobs[0].id} submitted`);
      if (jobs.length > 1) go("jobs");
      else go(`jobs/${jobs[0].id}`);
    } catch (wrong) {
      setProblem(wrong);
      setBusy(false);
    }
  };

  return (
    <form class="new-job" ref={form} onSubmit={submit} noValidate>
      <div class="row between wrap gap-3">
        <ModeTabs mode={mode} onChange={changeMode} />
        <PresetChooser onChoose={take} />
      </div>
      <ProblemSummary problem={problem} shownAtField={shownAtField} />
      {mode === "form" ? (
        <FormMode data={data} draft={draft} setDraft={setDraft} kind={kind} problem={problem} />
      ) : (
        <JsonMode text={text} setText={setText} problem={problem} />
      )}
      <div class="form-foot">
        <button class="button primary" type="submit" disabled={busy}>
          {busy ? "Submitting" : "Submit job"}
        </button>
        <a class="button quiet" href="#/jobs">
          Back
        </a>
      </div>
    </form>
  );
}

export function NewJob({ query }) {
  const { data, error, loading, reload } = useResource((signal) => load(query.from, signal), []);
  return (
    <>
      <PageHead
        title="New job"
        kicker={<a href="#/jobs">Jobs</a>}
        lead={query.from && data?.old ? `As job ${query.from}, to be changed` : null}
      />
      <LoadError error={error} reload={reload} />
      {loading && !data && <Skeleton rows={10} />}
      {data && <Editor data={data} query={query} />}
    </>
  );
}
