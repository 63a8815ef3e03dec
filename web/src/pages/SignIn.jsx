// SignIn.jsx - asks for a token when the coordinator wants one.

import { useEffect, useRef, useState } from "preact/hooks";
import { signIn } from "../lib/session.js";
import { Logo } from "../components/Icon.jsx";

export function SignIn() {
  const [token, setToken] = useState("");
  const [problem, setProblem] = useState("");
  const [busy, setBusy] = useState(false);
  const input = useRef(null);
  useEffect(() => {
    document.title = "Sign in · Tengen";
    input.current.focus();
  }, []);
  const submit = async (event) => {
    event.preventDefault();
    setBusy(true);
    setProblem("");
    try {
      await signIn(token.trim());
    } catch (wrong) {
      setProblem(wrong.message);
      setBusy(false);
      input.current?.focus();
    }
  };
  return (
    <main class="centre" id="main">
      <form class="card sign-in" onSubmit={submit}>
        <div class="row gap-2">
          <Logo size={36} />
          <h1>Tengen</h1>
        </div>
        <div class={`field wide${problem ? " wrong" : ""}`}>
          <label for="token">Token</label>
          <input
            id="token"
            ref={input}
            type="password"
            value={token}
            onInput={(event) => setToken(event.target.value)}
            autoComplete="current-password"
            placeholder="tg_…"
            required
            aria-describedby="token-help"
            aria-invalid={problem ? "true" : undefined}
          />
          <p class="help" id="token-help">
            An admin makes one on the Tokens page, or with <code>tengen token create</code>.
          </p>
          <div role="alert">{problem && <p class="problem">{problem}</p>}</div>
        </div>
        <button class="button primary" type="submit" disabled={busy || !token.trim()}>
          {busy ? "Signing in" : "Sign in"}
        </button>
      </form>
    </main>
  );
}
