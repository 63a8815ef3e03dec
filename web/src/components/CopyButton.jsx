// CopyButton.jsx - a line to be copied, and the button that does it.

import { useRef, useState } from "preact/hooks";
import { Icon } from "./Icon.jsx";

/** The clipboard needs a secure page; over plain HTTP on another host the text is selected and copied the old way. */
async function copy(text, element) {
  if (navigator.clipboard) {
    try {
      await navigator.clipboard.writeText(text);
      return true;
    } catch {
      // not permitted: the old way below
    }
  }
  getSelection().selectAllChildren(element);
  return document.execCommand("copy");
}

export function CopyLine({ text, label }) {
  const [state, setState] = useState("");
  const line = useRef(null);
  const click = async () => {
    setState((await copy(text, line.current)) ? "copied" : "failed");
    setTimeout(() => setState(""), 2500);
  };
  return (
    <div class="copy-line">
      <code ref={line} tabIndex={0} role="textbox" aria-readonly="true" aria-label={label}>
        {text}
      </code>
      <button class="button" onClick={click} aria-label={`Copy ${label}`}>
        <Icon name={state === "copied" ? "check" : "copy"} size={16} />
        <span aria-live="polite">{state === "copied" ? "Copied" : state === "failed" ? "Selected" : "Copy"}</span>
      </button>
    </div>
  );
}
