// JobRetention.jsx - how much of a job's experience keeps its bytes, and a form to change that.

import { useState } from "preact/hooks";
import { put } from "../lib/api.js";
import { retentionText } from "../lib/format.js";
import { numberOf } from "../lib/options.js";
import { maySubmit, session } from "../lib/session.js";
import { useStore } from "../lib/store.js";
import { Field } from "./OptionForm.jsx";
import { toast } from "./Toast.jsx";

function Form({ job, onChanged }) {
  const [values, setValues] = useState(() => ({
    chunks: String(job.retention.chunks),
    seconds: String(job.retention.seconds),
  }));
  const [problem, setProblem] = useState(null);
  const [busy, setBusy] = useState(false);
  const save = async (event) => {
    event.preventDefault();
    setBusy(true);
    try {
      const wanted = { chunks: numberOf(values.chunks), seconds: numberOf(values.seconds) };
      onChanged(await put(`/jobs/${job.id}/retention`, wanted));
      setProblem(null);
      toast(`Job ${job.id} keeps ${retentionText(wanted)}`);
    } catch (wrong) {
      setProblem(wrong);
    }
    setBusy(false);
  };
  const field = (name, label, hint) => (
    <Field path={name} label={label} hint={hint} problem={problem}>
      {(attributes) => (
        <input
          {...attributes}
          type="text"
          inputMode="numeric"
          class="num"
          value={values[name]}
          onInput={(event) => setValues({ ...values, [name]: event.target.value })}
          autoComplete="off"
        />
      )}
    </Field>
  );
  const elsewhere = problem && !(problem.field in values);
  return (
    <form onSubmit={save} noValidate>
      <div class="fields">
        {field("chunks", "Newest chunks to keep", "0: all")}
        {field("seconds", "Seconds to keep them for", "0: for ever")}
      </div>
      <div role="alert">{elsewhere && <p class="problem">{problem.message}</p>}</div>
      <button class="button" type="submit" disabled={busy}>
        Change
      </button>
    </form>
  );
}

export function JobRetention({ job, onChanged }) {
  const who = useStore(session);
  return (
    <div class="panel-pad" data-retention={`${job.retention.chunks} ${job.retention.seconds}`}>
      <h3>Retention</h3>
      <p>
        Keeps <b>{retentionText(job.retention)}</b>. What is older loses its bytes within a minute and does not come
        back; counts, totals, games and their records stay.
      </p>
      {maySubmit(who) && (
        <Form key={`${job.retention.chunks} ${job.retention.seconds}`} job={job} onChanged={onChanged} />
      )}
    </div>
  );
}
