// LoadMore.jsx - the next page of a list, below what is shown.

import { useState } from "preact/hooks";
import { toastProblem } from "./Toast.jsx";

export function LoadMore({ next, load }) {
  const [busy, setBusy] = useState(false);
  if (!next) return null;
  const click = async () => {
    setBusy(true);
    await load(next).catch(toastProblem);
    setBusy(false);
  };
  return (
    <div class="load-more">
      <button class="button" onClick={click} disabled={busy}>
        {busy ? "Loading" : "Show more"}
      </button>
    </div>
  );
}
