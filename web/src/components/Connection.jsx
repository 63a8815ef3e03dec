// Connection.jsx - whether what is shown is live: a dot that is always there, and a line when it is not.

import { connection, retryNow } from "../lib/events.js";
import { useStore } from "../lib/store.js";

const TEXT = {
  connecting: "Connecting",
  live: "Live",
  retrying: "Reconnecting",
  polling: "Every 5 s",
  hidden: "Paused",
};

export function ConnectionDot() {
  const state = useStore(connection);
  return (
    <span class={`connection connection-${state}`}>
      <i aria-hidden="true" />
      {TEXT[state]}
    </span>
  );
}

/** Keeps its place empty while all is well, so that announcing a loss is possible. */
export function ConnectionNotice() {
  const state = useStore(connection);
  const lost = state === "polling";
  return (
    <div role="status" class={lost ? "notice" : "notice-empty"}>
      {lost && (
        <>
          <span>The live line to the coordinator is down. This page asks every few seconds instead.</span>
          <button class="button small" onClick={retryNow}>
            Try now
          </button>
        </>
      )}
    </div>
  );
}
