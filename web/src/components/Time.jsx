// Time.jsx - times relative to now, all kept fresh by one timer.

import { useEffect } from "preact/hooks";
import { ago, date } from "../lib/format.js";
import { createStore, useStore } from "../lib/store.js";

const now = createStore(Date.now());
let users = 0;
let timer = 0;

/** The time in ms, renewed every five seconds while anyone looks. */
export function useNow() {
  useEffect(() => {
    if (users++ === 0) timer = setInterval(() => now.set(Date.now()), 5000);
    return () => {
      if (--users === 0) clearInterval(timer);
    };
  }, []);
  return Math.max(useStore(now), Date.now() - 5000);
}

export function Ago({ ms }) {
  const current = useNow();
  if (!ms) return <span class="muted">–</span>;
  return (
    <time dateTime={new Date(ms).toISOString()} title={date(ms)} class="nowrap">
      {ago(ms, current)}
    </time>
  );
}
