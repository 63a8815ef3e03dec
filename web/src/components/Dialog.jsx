// Dialog.jsx - asks before what cannot be undone. The browser's <dialog> keeps the focus inside and Escape closes it.
// When onConfirm() throws a Problem the dialog stays, and says it.

import { useEffect, useRef, useState } from "preact/hooks";
import { sentence } from "../lib/format.js";

export function Confirm({ title, children, action, danger = false, onConfirm, onClose }) {
  const dialog = useRef(null);
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState(null);
  useEffect(() => {
    dialog.current.showModal();
  }, []);
  const confirm = async (event) => {
    event.preventDefault();
    setBusy(true);
    try {
      await onConfirm();
      onClose();
    } catch (wrong) {
      setProblem(wrong);
      setBusy(false);
    }
  };
  return (
    <dialog ref={dialog} class="dialog" onClose={onClose} aria-labelledby="dialog-title">
      <form method="dialog" onSubmit={confirm}>
        <h2 id="dialog-title">{title}</h2>
        <div class="dialog-body">
          {children}
          <div role="alert">{problem && <p class="problem">{sentence(problem.message)}</p>}</div>
        </div>
        <div class="row end gap-2">
          <button type="button" class="button" onClick={onClose} disabled={busy}>
            Keep
          </button>
          <button type="submit" class={`button ${danger ? "danger" : "primary"}`} disabled={busy}>
            {action}
          </button>
        </div>
      </form>
    </dialog>
  );
}
