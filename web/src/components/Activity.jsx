// Activity.jsx - the latest lines of what happened, for the overview.

import { Ago } from "./Time.jsx";

const SHOWN = 7;

export function Activity({ lines }) {
  if (!lines.length) return <p class="muted">Jobs that end and workers that join are told here.</p>;
  return (
    <div role="log" aria-label="What happened">
      <ol class="activity">
        {lines.slice(0, SHOWN).map((line) => (
          <li key={line.key} class={`activity-${line.level}`}>
            <i aria-hidden="true" />
            <a href={line.href} class="clip" title={line.detail || line.text}>
              {line.text}
            </a>
            <span class="sub">
              <Ago ms={line.time_ms} />
            </span>
          </li>
        ))}
      </ol>
    </div>
  );
}
