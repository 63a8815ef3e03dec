// JobCheckpoints.jsx - the networks that a job has kept: which step, how large, what is in them, and the file itself.

import { get, withQuery } from "../lib/api.js";
import { bytes, count, words } from "../lib/format.js";
import { useResource } from "../lib/resource.js";
import { Ago } from "./Time.jsx";
import { Icon } from "./Icon.jsx";
import { LoadError, Skeleton } from "./Empty.jsx";
import { LoadMore } from "./LoadMore.jsx";

const KIND_TEXT = { state: "what training needs to go on", checkpoint: "the network" };

/** Texts that are JSON (an architecture) are laid out; others stand as they are. */
function pretty(value) {
  if (typeof value !== "string") return JSON.stringify(value, null, 2);
  if (!/^[[{]/.test(value)) return value;
  try {
    return JSON.stringify(JSON.parse(value), null, 2);
  } catch {
    return value;
  }
}

function Metadata({ checkpoint }) {
  const entries = Object.entries(checkpoint.metadata || {});
  return (
    <details class="metadata above-row-link">
      <summary>
        Details<span class="sr"> of {fileName(checkpoint)}</span>
      </summary>
      <dl class="facts config">
        <dt>SHA-256</dt>
        <dd>
          <code>{checkpoint.sha256}</code>
        </dd>
        {entries.map(([name, value]) => (
          <>
            <dt>{words(name)}</dt>
            <dd>
              <code class="wrap-all">{pretty(value)}</code>
            </dd>
          </>
        ))}
      </dl>
    </details>
  );
}

const fileName = ({ job, name, step, sha256 }) =>
  `tengen-${job || sha256.slice(0, 8)}-${name || "checkpoint"}-${step ?? 0}.safetensors`;

function Row({ checkpoint }) {
  return (
    <tr>
      <td class="cell-main">
        <span class="strong">{checkpoint.name || "checkpoint"}</span>
        <span class="sub">{KIND_TEXT[checkpoint.name] || ""}</span>
        <Metadata checkpoint={checkpoint} />
      </td>
      <td class="num">{checkpoint.step ? count(checkpoint.step) : "–"}</td>
      <td class="num nowrap">{bytes(checkpoint.bytes)}</td>
      <td class="hide-s muted">
        <Ago ms={checkpoint.created_ms} />
      </td>
      <td class="cell-action">
        <a
          class="button small"
          href={`/api/v1/checkpoints/${checkpoint.sha256}`}
          download={fileName(checkpoint)}
          aria-label={`Download ${fileName(checkpoint)}`}
        >
          <Icon name="download" size={16} />
          <span class="hide-s">Download</span>
        </a>
      </td>
    </tr>
  );
}

export function JobCheckpoints({ id }) {
  const path = (after) => withQuery(`/jobs/${id}/checkpoints`, { after });
  const { data, error, reload, change } = useResource((signal) => get(path(null), signal), [id], {
    reduce: (old, name, event) => {
      if (name === "checkpoint" && event.job === id) reload();
      return old;
    },
  });
  const more = async (after) => {
    const answer = await get(path(after));
    change((old) => ({ items: [...old.items, ...answer.items], next: answer.next }));
  };
  if (!data) return error ? <LoadError error={error} reload={reload} /> : <Skeleton rows={4} />;
  if (!data.items.length) return <p class="panel-empty muted">No checkpoint is stored yet.</p>;
  return (
    <>
      <LoadError error={error} reload={reload} />
      <table class="table checkpoint-table">
        <thead>
          <tr>
            <th scope="col">Checkpoint</th>
            <th scope="col">Step</th>
            <th scope="col">Size</th>
            <th scope="col" class="hide-s">
              Stored
            </th>
            <th scope="col">
              <span class="sr">File</span>
            </th>
          </tr>
        </thead>
        <tbody>
          {data.items.map((checkpoint) => (
            <Row checkpoint={checkpoint} key={checkpoint.id} />
          ))}
        </tbody>
      </table>
      <LoadMore next={data.next} load={more} />
    </>
  );
}
