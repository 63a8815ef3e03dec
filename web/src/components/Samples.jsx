// Samples.jsx - images with what they are and what they were taken for. A mistake is said in words, not only by a colour.

import { useState } from "preact/hooks";
import { count, percentOf } from "../lib/format.js";
import { Card } from "./Page.jsx";

const BASE64 = /^[A-Za-z0-9+/]+={0,2}$/;

function Sample({ item }) {
  const right = item.label === item.predicted;
  const spoken = right ? `${item.label}, recognized` : `${item.label}, taken for ${item.predicted}`;
  return (
    <li class={`sample${right ? "" : " sample-wrong"}`}>
      <img src={`data:image/png;base64,${item.png}`} alt={`An image of ${spoken}`} />
      <span class="clip" title={String(item.label)}>
        {item.label}
      </span>
      <span class="sub num sample-said" title={right ? "" : `taken for ${item.predicted}`}>
        {!right && <b class="bad">taken for {item.predicted}</b>}
        <span>{percentOf(item.confidence)}</span>
      </span>
    </li>
  );
}

export function Samples({ report }) {
  const [mistakesOnly, setMistakesOnly] = useState(false);
  const items = (report.data?.items || []).filter(({ png }) => BASE64.test(png || ""));
  if (!items.length) return null;
  const wrong = items.filter(({ label, predicted }) => label !== predicted);
  const shown = mistakesOnly ? wrong : items;
  return (
    <Card
      title="Sample images"
      action={
        <label class="check">
          <input
            type="checkbox"
            checked={mistakesOnly}
            onChange={(event) => setMistakesOnly(event.target.checked)}
            disabled={!wrong.length}
          />
          Only mistakes ({count(wrong.length)})
        </label>
      }
    >
      <ul class="samples">
        {shown.map((item, i) => (
          <Sample item={item} key={`${mistakesOnly} ${i}`} />
        ))}
      </ul>
      <p class="sub">The share below each is how sure the network was of its answer.</p>
    </Card>
  );
}
