// Empty.jsx - what stands where there is nothing yet: says so, and what to do next.

import { Icon } from "./Icon.jsx";

export function Empty({ title, icon, level = 2, children }) {
  const Heading = `h${level}`;
  return (
    <div class="empty">
      {icon && <Icon name={icon} size={28} />}
      <Heading>{title}</Heading>
      {children}
    </div>
  );
}

/** The answer to a failed load; what was loaded before stays on the page. */
export function LoadError({ error, reload }) {
  if (!error) return null;
  return (
    <div class="notice notice-bad" role="alert">
      <span>{error.status === 404 ? "It is not here (any more)." : error.message}</span>
      <button class="button small" onClick={reload}>
        Try again
      </button>
    </div>
  );
}

/** Grey lines that keep the place of what is being loaded. */
export function Skeleton({ rows = 5 }) {
  return (
    <div class="skeleton" aria-busy="true" aria-label="Loading" role="status">
      {Array.from({ length: rows }, (_, i) => (
        <div key={i} />
      ))}
    </div>
  );
}
