// Tabs.jsx - several panels in one place; arrows move between the tabs, as in the ARIA pattern.

import { useId, useRef, useState } from "preact/hooks";

/** `tabs` is [[title, content], ...]; only the chosen content is mounted. */
export function Tabs({ tabs, label }) {
  const [chosen, setChosen] = useState(0);
  const id = useId();
  const list = useRef(null);
  const index = Math.min(chosen, tabs.length - 1);
  const choose = (next) => {
    const target = (next + tabs.length) % tabs.length;
    setChosen(target);
    list.current.children[target].focus();
  };
  const keys = (event) => {
    const target = { ArrowRight: index + 1, ArrowLeft: index - 1, Home: 0, End: tabs.length - 1 }[event.key];
    if (target === undefined) return;
    event.preventDefault();
    event.stopPropagation();
    choose(target);
  };
  return (
    <section class="card flush tabs">
      <div role="tablist" aria-label={label} ref={list} onKeyDown={keys}>
        {tabs.map(([title], i) => (
          <button
            key={title}
            role="tab"
            id={`${id}-tab-${i}`}
            aria-selected={i === index}
            aria-controls={`${id}-panel`}
            tabIndex={i === index ? 0 : -1}
            onClick={() => setChosen(i)}
          >
            {title}
          </button>
        ))}
      </div>
      <div role="tabpanel" id={`${id}-panel`} aria-labelledby={`${id}-tab-${index}`} class="panel" key={index}>
        {tabs[index][1]}
      </div>
    </section>
  );
}
