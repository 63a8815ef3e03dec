// Datasets.jsx - what training learns from: the sets that are stored, and a place to bring another.

import { useEffect, useRef, useState } from "preact/hooks";
import { get, remove, withQuery } from "../lib/api.js";
import { bytes, count, percent, plural, sizeText } from "../lib/format.js";
import { maySubmit, session } from "../lib/session.js";
import { upload } from "../lib/upload.js";
import { useResource } from "../lib/resource.js";
import { useStore } from "../lib/store.js";
import { Ago } from "../components/Time.jsx";
import { Card, PageHead } from "../components/Page.jsx";
import { Confirm } from "../components/Dialog.jsx";
import { Empty, LoadError, Skeleton } from "../components/Empty.jsx";
import { Field } from "../components/OptionForm.jsx";
import { Icon } from "../components/Icon.jsx";
import { LoadMore } from "../components/LoadMore.jsx";
import { toast } from "../components/Toast.jsx";

const TOPICS = ["datasets"];
const FORMATS = { idx: "idx images", png: "PNG images", sgf: "Go games (SGF)" };
const ENDINGS = /(\.(tar|tgz|txz|zip|sgf|gz|xz))+$/i;

const nameOf = (set) => set.name || `data set ${set.id}`;

/** "28×28, grey" of images, "9×9" of games. */
function shapeOf(info) {
  if (info?.height) return `${sizeText(info.width, info.height)}, ${info.channels === 1 ? "grey" : "colour"}`;
  const boards = Object.entries(info?.boards || {}).sort((a, b) => b[1] - a[1]);
  return boards.map(([size]) => `${size}×${size}`).join(", ");
}

function samplesOf(info) {
  if (!info) return "–";
  if (info.format === "sgf") return plural(info.games ?? info.samples, "game");
  return plural(info.samples, "image");
}

/** What lies behind the number of samples: parts, or games that cannot be used. */
function partsOf(info) {
  if (info?.train || info?.test) {
    const parts = [info.train && `${count(info.train)} to learn`, info.test && `${count(info.test)} to test`];
    return parts.filter(Boolean).join(", ");
  }
  if (hasUseless(info)) return `${count(info.usable)} usable`;
  return "";
}

const hasUseless = (info) => info?.games !== undefined && info.usable !== info.games;
const USABLE = "Usable games can be read, keep to the rules and have at least one move";

function Classes({ info }) {
  if (!info?.classes) return <span class="muted">–</span>;
  const names = (info.class_names || []).join(", ");
  return (
    <>
      <span class="num">{count(info.classes)}</span>
      {names && (
        <span class="sub clip class-names" title={names}>
          {names}
        </span>
      )}
    </>
  );
}

/** What a narrow window has no columns for: the size up to 760 pixels, the classes up to 1,000. */
function Narrow({ info }) {
  const shape = shapeOf(info);
  return (
    <>
      {shape && <span class="sub num only-s">{shape}</span>}
      {info?.classes > 0 && <span class="sub num only-m">{plural(info.classes, "class", "classes")}</span>}
    </>
  );
}

function Row({ set, onRemove }) {
  const { info } = set;
  return (
    <tr data-dataset={set.name}>
      <td class="cell-main">
        <span class="strong wrap-all">{nameOf(set)}</span>
        <span class="sub">
          <span class="num">#{set.id}</span> {FORMATS[info?.format] || info?.format || "not checked"}
        </span>
      </td>
      <td>
        <span class="num nowrap">{samplesOf(info)}</span>
        <span class="sub num" title={hasUseless(info) ? USABLE : undefined}>
          {partsOf(info)}
        </span>
        <Narrow info={info} />
      </td>
      <td class="hide-s num nowrap">{shapeOf(info) || "–"}</td>
      <td class="hide-m">
        <Classes info={info} />
      </td>
      <td class="num nowrap">
        <a href={`/api/v1/datasets/${set.id}`} download={`${set.name || `dataset-${set.id}`}`}>
          {bytes(set.bytes)}
        </a>
        <code class="sub hide-m" title={`SHA-256 ${set.sha256}`}>
          {set.sha256.slice(0, 12)}
        </code>
      </td>
      <td class="hide-s muted">
        <Ago ms={set.created_ms} />
      </td>
      {onRemove && (
        <td class="cell-action">
          <button
            type="button"
            class="button small"
            onClick={onRemove}
            aria-label={`Remove ${nameOf(set)}`}
            title="Remove"
          >
            <Icon name="trash" size={16} />
          </button>
        </td>
      )}
    </tr>
  );
}

function SetTable({ sets, onRemove }) {
  return (
    <table class="table dataset-table">
      <thead>
        <tr>
          <th scope="col">Data set</th>
          <th scope="col">Samples</th>
          <th scope="col" class="hide-s">
            Size of each
          </th>
          <th scope="col" class="hide-m">
            Classes
          </th>
          <th scope="col">File</th>
          <th scope="col" class="hide-s">
            Added
          </th>
          {onRemove && (
            <th scope="col">
              <span class="sr">Action</span>
            </th>
          )}
        </tr>
      </thead>
      <tbody>
        {sets.map((set) => (
          <Row set={set} key={set.id} onRemove={onRemove && (() => onRemove(set))} />
        ))}
      </tbody>
    </table>
  );
}

/** How far an upload is; after its last byte the coordinator reads the whole set before it answers. */
function Sending({ file, sent, onStop }) {
  const all = sent >= file.size;
  const text = all ? "Sent. The coordinator checks it." : `${bytes(sent)} of ${bytes(file.size)} sent`;
  return (
    <div class="sending" role="status">
      <div
        class="progress progress-running"
        role="progressbar"
        aria-label={`Upload of ${file.name}`}
        aria-valuemin={0}
        aria-valuemax={100}
        aria-valuenow={Math.floor((100 * sent) / Math.max(1, file.size))}
      >
        <div class="progress-done" style={{ width: percent(sent, Math.max(1, file.size)).replace(" ", "") }} />
      </div>
      <p class="row between gap-2">
        <span class="num">{text}</span>
        <button type="button" class="button small" onClick={onStop}>
          Stop
        </button>
      </p>
    </div>
  );
}

const problemFor = (message, field) => ({ message, detail: message, field, title: "" });

function useUpload(onAdded) {
  const [state, setState] = useState({ sent: null, problem: null });
  const controller = useRef(null);
  useEffect(() => () => controller.current?.abort(), []);
  const send = async (name, file) => {
    controller.current = new AbortController();
    setState({ sent: 0, problem: null });
    try {
      const added = await upload(withQuery("/datasets", { name }), file, {
        onProgress: (sent) => setState({ sent, problem: null }),
        signal: controller.current.signal,
      });
      setState({ sent: null, problem: null });
      onAdded(added);
      return true;
    } catch (wrong) {
      setState({ sent: null, problem: wrong.name === "AbortError" ? null : wrong });
      return false;
    }
  };
  return {
    ...state,
    send,
    stop: () => controller.current?.abort(),
    refuse: (problem) => setState({ sent: null, problem }),
  };
}

function UploadForm({ onAdded }) {
  const [name, setName] = useState("");
  const [file, setFile] = useState(null);
  const input = useRef(null);
  const { sent, problem, send, stop, refuse } = useUpload(onAdded);
  const choose = (event) => {
    const chosen = event.target.files[0] || null;
    setFile(chosen);
    if (chosen && !name) setName(chosen.name.replace(ENDINGS, ""));
  };
  const submit = async (event) => {
    event.preventDefault();
    if (!file) return refuse(problemFor("choose a file first", "file"));
    if (await send(name.trim(), file)) {
      setName("");
      setFile(null);
      input.current.value = "";
    }
    return undefined;
  };
  const atField = problem && ["name", "file"].includes(problem.field) ? problem : null;
  return (
    <form onSubmit={submit} noValidate class="upload-form">
      <Field
        path="file"
        label="File"
        hint="a tar (.gz, .xz) or zip of idx files, of labelled PNG images or of SGF games; or one SGF file"
        problem={atField}
      >
        {(attributes) => <input {...attributes} type="file" ref={input} onChange={choose} disabled={sent !== null} />}
      </Field>
      <Field path="name" label="Name" hint="by which jobs ask for it" problem={atField}>
        {(attributes) => (
          <input
            {...attributes}
            type="text"
            value={name}
            onInput={(event) => setName(event.target.value)}
            autoComplete="off"
            disabled={sent !== null}
          />
        )}
      </Field>
      <button class="button primary" type="submit" disabled={sent !== null}>
        Upload
      </button>
      {sent !== null && file && <Sending file={file} sent={sent} onStop={stop} />}
      <div role="alert" class="upload-problem">
        {problem && !atField && (
          <div class="notice notice-bad">
            <span>
              <b>{problem.title || "Not accepted"}.</b> {problem.field && <code>{problem.field}</code>}{" "}
              {problem.message}
            </span>
          </div>
        )}
      </div>
    </form>
  );
}

function RemoveDialog({ set, onRemoved, onClose }) {
  const confirm = async () => {
    await remove(`/datasets/${set.id}`);
    onRemoved(set);
  };
  return (
    <Confirm title={`Remove “${nameOf(set)}”?`} action="Remove" danger onConfirm={confirm} onClose={onClose}>
      <p>
        Its {bytes(set.bytes)} are deleted and jobs cannot learn from it any more. What was learnt from it stays. A set
        that a job still needs is not removed.
      </p>
    </Confirm>
  );
}

export function Datasets() {
  const who = useStore(session);
  const [removing, setRemoving] = useState(null);
  const path = (after) => withQuery("/datasets", { after });
  const { data, error, reload, change } = useResource((signal) => get(path(null), signal), [], {
    topics: TOPICS,
    reduce: (old, name) => {
      if (name === "dataset" || name === "dataset_removed") reload();
      return old;
    },
  });
  const more = async (after) => {
    const answer = await get(path(after));
    change((old) => ({ items: [...old.items, ...answer.items], next: answer.next }));
  };
  const added = (set) => {
    toast(`${set.name || `Data set ${set.id}`} is stored`);
    reload();
  };
  const removed = (set) => {
    toast(`${nameOf(set)} is removed`);
    change((old) => ({ ...old, items: old.items.filter(({ id }) => id !== set.id) }));
  };
  return (
    <>
      <PageHead title="Data sets" />
      <LoadError error={error} reload={reload} />
      {!data && !error && <Skeleton rows={6} />}
      {data && data.items.length === 0 && (
        <Empty title="There are no data sets yet" icon="datasets">
          <p>
            Networks learn from images with labels or from Go games. A set is checked when it comes in and stored once.
          </p>
        </Empty>
      )}
      {data && data.items.length > 0 && (
        <Card flush>
          <SetTable sets={data.items} onRemove={maySubmit(who) ? setRemoving : null} />
        </Card>
      )}
      <LoadMore next={data?.next} load={more} />
      {removing && <RemoveDialog set={removing} onRemoved={removed} onClose={() => setRemoving(null)} />}
      {data && maySubmit(who) && (
        <Card title="Add a data set" class="upload-card">
          <UploadForm onAdded={added} />
          <p class="sub">
            Large ones are quicker from a shell: <code>tengen dataset add PATH</code> takes folders too.
          </p>
        </Card>
      )}
    </>
  );
}
