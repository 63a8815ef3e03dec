// Toast.jsx - short confirmations of what a button did, spoken by screen readers too.

import { createStore, useStore } from "../lib/store.js";

const toasts = createStore([]);
let lastId = 0;

export function toast(text, kind = "good") {
  const id = ++lastId;
  toasts.set((list) => [...list.slice(-2), { id, text, kind }]);
  setTimeout(() => toasts.set((list) => list.filter((item) => item.id !== id)), kind === "bad" ? 9000 : 4000);
}

export const toastProblem = (problem) => toast(problem.message, "bad");

export function Toasts() {
  const list = useStore(toasts);
  return (
    <div class="toasts" role="status" aria-live="polite">
      {list.map(({ id, text, kind }) => (
        <div class={`toast toast-${kind}`} key={id}>
          {text}
        </div>
      ))}
    </div>
  );
}
