// Page.jsx - the head of a page, and the cards on it.

import { useEffect, useId } from "preact/hooks";

/** Sets the window's title too; `title` for it, children beside the heading. */
export function PageHead({ title, kicker, lead, children }) {
  useEffect(() => {
    document.title = `${title} · Tengen`;
  }, [title]);
  return (
    <div class="page-head">
      <div class="page-title">
        {kicker && <p class="kicker">{kicker}</p>}
        <h1>{title}</h1>
        {lead && <div class="lead">{lead}</div>}
      </div>
      {children && <div class="page-actions">{children}</div>}
    </div>
  );
}

export function Card({ title, action, children, class: extra = "", flush = false }) {
  const id = useId();
  return (
    <section class={`card ${extra}${flush ? " flush" : ""}`} aria-labelledby={title ? id : undefined}>
      {title && (
        <div class="card-head">
          <h2 id={id}>{title}</h2>
          {action}
        </div>
      )}
      {children}
    </section>
  );
}
