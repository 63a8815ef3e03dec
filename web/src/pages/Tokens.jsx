// Tokens.jsx - who may do what: create a token (shown this once), and revoke it.

import { useState } from "preact/hooks";
import { get, post, remove, withQuery } from "../lib/api.js";
import { mayAdmin, session, signIn } from "../lib/session.js";
import { useResource } from "../lib/resource.js";
import { useStore } from "../lib/store.js";
import { Ago } from "../components/Time.jsx";
import { Card, PageHead } from "../components/Page.jsx";
import { Confirm } from "../components/Dialog.jsx";
import { CopyLine } from "../components/CopyButton.jsx";
import { Empty, LoadError, Skeleton } from "../components/Empty.jsx";
import { Field } from "../components/OptionForm.jsx";
import { toast, toastProblem } from "../components/Toast.jsx";

const ROLES = [
  ["view", "looks at everything"],
  ["submit", "also submits and steers jobs"],
  ["worker", "for an agent on a machine"],
  ["admin", "may do everything"],
];

function CreateForm({ onCreated, first }) {
  const [name, setName] = useState("");
  const [role, setRole] = useState(first ? "admin" : "worker");
  const [problem, setProblem] = useState(null);
  const submit = async (event) => {
    event.preventDefault();
    setProblem(null);
    try {
      onCreated(await post("/tokens", { role, name: name.trim() }));
      setName("");
    } catch (wrong) {
      setProblem(wrong);
    }
  };
  const elsewhere = problem && problem.field !== "name" && problem.field !== "role";
  return (
    <form class="token-form" onSubmit={submit} noValidate>
      <Field path="name" label="Name" hint="whose it is, or where it is used" problem={problem}>
        {(attributes) => (
          <input
            {...attributes}
            type="text"
            value={name}
            onInput={(event) => setName(event.target.value)}
            autoComplete="off"
          />
        )}
      </Field>
      <Field path="role" label="Role" hint={ROLES.find(([id]) => id === role)[1]} problem={problem}>
        {(attributes) => (
          <select {...attributes} value={role} onChange={(event) => setRole(event.target.value)}>
            {ROLES.map(([id]) => (
              <option key={id}>{id}</option>
            ))}
          </select>
        )}
      </Field>
      <button class="button primary" type="submit">
        Create token
      </button>
      <div role="alert">{elsewhere && <p class="problem">{problem.message}</p>}</div>
    </form>
  );
}

function Created({ token, onDone }) {
  return (
    <div class="card created" role="status">
      <h2>
        The {token.role} token {token.name && `“${token.name}” `}is ready
      </h2>
      <p>Copy it now: it is stored only as a hash and cannot be shown again.</p>
      <CopyLine text={token.token} label="token" />
      <button class="button small" onClick={onDone}>
        I have copied it
      </button>
    </div>
  );
}

function TokenTable({ tokens, onRevoke }) {
  return (
    <table class="table token-table">
      <thead>
        <tr>
          <th scope="col">Name</th>
          <th scope="col">Role</th>
          <th scope="col" class="hide-s">
            Created
          </th>
          <th scope="col" class="hide-s">
            Last used
          </th>
          <th scope="col">
            <span class="sr">Actions</span>
          </th>
        </tr>
      </thead>
      <tbody>
        {tokens.map((token) => (
          <tr key={token.id} data-token={token.name}>
            <td class="cell-main clip">{token.name || <span class="muted">without a name</span>}</td>
            <td>{token.role}</td>
            <td class="hide-s muted">
              <Ago ms={token.created_ms} />
            </td>
            <td class="hide-s muted">
              <Ago ms={token.used_ms ?? token.last_used_ms} />
            </td>
            <td class="cell-action">
              {token.revoked_ms ? (
                <span class="muted">revoked</span>
              ) : (
                <button
                  class="button small"
                  onClick={() => onRevoke(token)}
                  aria-label={`Revoke ${token.name || token.id}`}
                >
                  Revoke
                </button>
              )}
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

function Manage() {
  const {
    data: tokens,
    error,
    reload,
  } = useResource(async (signal) => (await get(withQuery("/tokens", { limit: 200 }), signal)).items, []);
  const [created, setCreated] = useState(null);
  const [revoking, setRevoking] = useState(null);
  const revoke = async () => {
    try {
      await remove(`/tokens/${revoking.id}`);
      toast(`Revoked ${revoking.name || "the token"}`);
      reload();
    } catch (problem) {
      toastProblem(problem);
    }
  };
  const made = async (token) => {
    setCreated(token);
    // From the first token on every call needs one: this page goes on with the one that it has just made.
    if (tokens?.length === 0) await signIn(token.token).catch(toastProblem);
    reload();
  };
  return (
    <>
      <LoadError error={error} reload={reload} />
      {created && <Created token={created} onDone={() => setCreated(null)} />}
      {tokens && (
        <Card title="Create a token">
          <CreateForm onCreated={made} first={tokens.length === 0} key={tokens.length === 0} />
        </Card>
      )}
      {!tokens && !error && <Skeleton rows={4} />}
      {tokens && tokens.length === 0 && (
        <Empty title="There are no tokens" icon="tokens">
          <p>
            Without any, everyone who reaches this port on this machine may do everything, and the coordinator listens
            on no other address. Create an admin token first, then a worker token for each machine.
          </p>
        </Empty>
      )}
      {tokens && tokens.length > 0 && (
        <Card flush>
          <TokenTable tokens={tokens} onRevoke={setRevoking} />
        </Card>
      )}
      {revoking && (
        <Confirm
          title={`Revoke ${revoking.name ? `“${revoking.name}”` : "this token"}?`}
          action="Revoke"
          danger
          onConfirm={revoke}
          onClose={() => setRevoking(null)}
        >
          <p>Whoever uses it is refused from now on. This cannot be undone.</p>
        </Confirm>
      )}
    </>
  );
}

export function Tokens() {
  const who = useStore(session);
  return (
    <>
      <PageHead title="Tokens" />
      {mayAdmin(who) ? (
        <Manage />
      ) : (
        <Empty title="Only for admins" icon="tokens">
          <p>The token in use has the role “{who.role}”.</p>
        </Empty>
      )}
    </>
  );
}
