// Workers.jsx - the machines that work, and how another one joins.

import { get, post, withQuery } from "../lib/api.js";
import { bytes, plural } from "../lib/format.js";
import { mayAdmin, session } from "../lib/session.js";
import { upsert, useResource } from "../lib/resource.js";
import { useStore } from "../lib/store.js";
import { Ago } from "../components/Time.jsx";
import { Card, PageHead } from "../components/Page.jsx";
import { CopyLine } from "../components/CopyButton.jsx";
import { Empty, LoadError, Skeleton } from "../components/Empty.jsx";
import { State } from "../components/Badge.jsx";
import { toast, toastProblem } from "../components/Toast.jsx";

async function load(signal) {
  const [workers, stats] = await Promise.all([
    get(withQuery("/workers", { limit: 200 }), signal),
    get("/stats", signal),
  ]);
  return { workers: workers.items, join: stats.join, note: stats.join_note };
}

const ACTIONS = {
  drain: ["Drain", "finishes what it has begun and takes nothing new"],
  disable: ["Disable", "gets no more work"],
  enable: ["Enable", "gets work again"],
  retry: ["Try again", "is given again what has failed on it"], // to the coordinator this is "enable"
};

/** What may be asked of a worker in this state. */
function actionsFor(worker) {
  if (worker.state === "disabled" || worker.state === "draining" || worker.state === "drained") return ["enable"];
  return [...(worker.unable?.length ? ["retry"] : []), "drain", "disable"];
}

function Machine({ machine = {} }) {
  const parts = [
    machine.os,
    machine.cpu,
    machine.isa,
    machine.cores && plural(machine.cores, "core"),
    machine.memory_bytes && bytes(machine.memory_bytes),
    machine.version && `Tengen ${machine.version}`,
  ].filter(Boolean);
  return <p class="sub">{parts.join(" · ")}</p>;
}

function Capabilities({ names = [] }) {
  if (!names.length) return null;
  return (
    <ul class="chips" aria-label="Capabilities">
      {[...names].sort().map((name) => {
        const [group, ...rest] = name.split(":");
        return (
          <li key={name}>
            {rest.length ? (
              <>
                <span class="muted">{group}</span> {rest.join(":")}
              </>
            ) : (
              name
            )}
          </li>
        );
      })}
    </ul>
  );
}

/** What has failed on it through its own fault, and when it is tried again. */
function Unable({ list = [] }) {
  return list.map(({ what, reason, retry_ms }) => (
    <p class="notice" role="note" key={what}>
      <span>
        {reason}{" "}
        <span class="muted">
          {retry_ms ? `Tried again at ${new Date(retry_ms).toLocaleTimeString()}.` : "It is being tried again."}
        </span>
      </span>
    </p>
  ));
}

function WorkerCard({ worker, mayAct, act }) {
  return (
    <li class="card worker" data-worker={worker.name}>
      <div class="row between gap-2">
        <h2 class="clip">{worker.name}</h2>
        <State state={worker.state} />
      </div>
      <Machine machine={worker.machine} />
      <p class="worker-facts num">
        <span>{plural(worker.runners ?? 0, "runner")}</span>
        {worker.leased !== undefined && <span>{plural(worker.leased, "task")} in hand</span>}
        <span>
          {worker.online ? (
            "in contact"
          ) : (
            <>
              last seen <Ago ms={worker.seen_ms} />
            </>
          )}
        </span>
      </p>
      <Capabilities names={worker.capabilities} />
      <Unable list={worker.unable} />
      {mayAct && (
        <div class="row gap-2 worker-actions">
          {actionsFor(worker).map((action) => (
            <button
              key={action}
              class="button small"
              onClick={() => act(worker, action)}
              title={`${worker.name} ${ACTIONS[action][1]}`}
              aria-label={`${ACTIONS[action][0]} ${worker.name}`}
            >
              {ACTIONS[action][0]}
            </button>
          ))}
        </div>
      )}
    </li>
  );
}

function Join({ command, note, first }) {
  if (!command) return null;
  return (
    <Card title={first ? "Join a machine" : "Join another machine"}>
      <p class="muted">
        To install Tengen there, run <code>scripts/build</code> in a checkout of it, which leaves <code>tengen</code> in{" "}
        <code>build/bin</code>. Then run this: the machine shows up here within seconds and takes work at once.
      </p>
      {note && (
        <p class="notice" role="note">
          {note}
        </p>
      )}
      <CopyLine text={command} label="join command" />
    </Card>
  );
}

export function Workers() {
  const who = useStore(session);
  const { data, error, reload, change } = useResource(load, [], {
    reduce: (old, name, event) => (name === "worker" ? { ...old, workers: upsert(old.workers, event) } : old),
  });
  const act = async (worker, action) => {
    try {
      const answer = await post(`/workers/${worker.id}/${action === "retry" ? "enable" : action}`);
      change((old) => ({ ...old, workers: upsert(old.workers, answer) }));
      toast(`${worker.name} ${ACTIONS[action][1]}`);
    } catch (problem) {
      toastProblem(problem);
    }
  };
  return (
    <>
      <PageHead title="Workers" />
      <LoadError error={error} reload={reload} />
      {!data && !error && <Skeleton rows={6} />}
      {data && data.workers.length === 0 && (
        <Empty title="No worker has joined yet" icon="workers">
          <p>Nothing is computed until one does. The command below starts one, on this machine or on another.</p>
        </Empty>
      )}
      {data && data.workers.length > 0 && (
        <ul class="workers">
          {data.workers.map((worker) => (
            <WorkerCard worker={worker} key={worker.id} mayAct={mayAdmin(who)} act={act} />
          ))}
        </ul>
      )}
      {data && <Join command={data.join} note={data.note} first={data.workers.length === 0} />}
    </>
  );
}
