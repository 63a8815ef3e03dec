// ConfusionMatrix.jsx - which classes were taken for which: a grid with numbers, walked with the arrow keys.
//
// A cell's colour only repeats what its number says: one hue for what is right, another for mistakes, and stronger for a
// larger share of the row. Of very many classes a grid would show nothing: then the most frequent mistakes stand alone.

import { useId, useRef, useState } from "preact/hooks";
import { count, percentOf, plural } from "../lib/format.js";
import { mistakesOf, precisionOf, readConfusion, recallOf, strengthOf } from "../lib/confusion.js";
import { Card } from "./Page.jsx";
import { ScrollX } from "./ScrollX.jsx";

const GRID_MAX = 32; // classes
const MISTAKES = 6;
const MISTAKES_ALONE = 30;

function sentenceOf(confusion, i, j) {
  const { classes, matrix, totals } = confusion;
  const share = totals[i] ? ` (${percentOf(matrix[i][j] / totals[i])})` : "";
  const verdict = i === j ? "recognized" : `taken for ${classes[j]}`;
  return `${classes[i]}: ${count(matrix[i][j])} of ${count(totals[i])} ${verdict}${share}`;
}

const STEPS = { ArrowRight: [0, 1], ArrowLeft: [0, -1], ArrowDown: [1, 0], ArrowUp: [-1, 0] };

function stepFor(key, [i, j], last) {
  if (key === "Home") return [i, 0];
  if (key === "End") return [i, last];
  const step = STEPS[key];
  return step && [i + step[0], j + step[1]].map((n) => Math.max(0, Math.min(last, n)));
}

function Cell({ confusion, at: [i, j], current, onFocus }) {
  const colour = i === j ? "var(--cell-good)" : "var(--cell-bad)";
  const strength = (100 * strengthOf(confusion, i, j)).toFixed(0);
  return (
    <td
      data-cell={`${i},${j}`}
      class={`num cell${i === j ? " cell-right" : ""}${confusion.matrix[i][j] ? "" : " cell-none"}`}
      tabIndex={current ? 0 : -1}
      aria-label={sentenceOf(confusion, i, j)}
      style={{ "--cell-colour": colour, "--cell-strength": `${strength}%` }}
      onFocus={onFocus}
      onMouseEnter={onFocus}
    >
      {count(confusion.matrix[i][j])}
    </td>
  );
}

function Grid({ confusion, label }) {
  const { classes } = confusion;
  const [at, setAt] = useState([0, 0]);
  const grid = useRef(null);
  const said = useId();
  const keys = (event) => {
    const next = stepFor(event.key, at, classes.length - 1);
    if (!next) return;
    event.preventDefault();
    event.stopPropagation();
    setAt(next);
    grid.current.querySelector(`[data-cell="${next}"]`).focus();
  };
  return (
    <>
      <ScrollX class="confusion-place" hint={`Scroll sideways to see all ${count(classes.length)} columns.`}>
        <table class="confusion" role="grid" aria-label={label} aria-describedby={said} ref={grid} onKeyDown={keys}>
          <thead>
            <tr>
              <td class="confusion-corner" aria-hidden="true">
                is ↓ predicted →
              </td>
              {classes.map((name) => (
                <th key={name} scope="col" title={name}>
                  <span>{name}</span>
                </th>
              ))}
              <th scope="col" class="confusion-rate">
                <span>recognized</span>
              </th>
            </tr>
          </thead>
          <tbody>
            {classes.map((name, i) => (
              <tr key={name}>
                <th scope="row" title={name}>
                  {name}
                </th>
                {classes.map((other, j) => (
                  <Cell
                    key={other}
                    confusion={confusion}
                    at={[i, j]}
                    current={at[0] === i && at[1] === j}
                    onFocus={() => setAt([i, j])}
                  />
                ))}
                <td class="num confusion-rate">{percentOf(recallOf(confusion, i))}</td>
              </tr>
            ))}
          </tbody>
          <tfoot>
            <tr>
              <th scope="row">precision</th>
              {classes.map((name, j) => (
                <td key={name} class="num confusion-rate">
                  {percentOf(precisionOf(confusion, j))}
                </td>
              ))}
              <td class="num confusion-rate">
                <b>{percentOf(confusion.right / confusion.count)}</b>
              </td>
            </tr>
          </tfoot>
        </table>
      </ScrollX>
      <p class="sub num confusion-said" id={said}>
        {sentenceOf(confusion, ...at)}
      </p>
    </>
  );
}

function Mistakes({ confusion, limit }) {
  const mistakes = mistakesOf(confusion, limit);
  if (!mistakes.length) return <p class="muted">There is no mistake.</p>;
  return (
    <>
      <h3>Most frequent mistakes</h3>
      <ol class="mistakes num">
        {mistakes.map(({ truth, predicted, count: n, share }) => (
          <li key={`${truth} ${predicted}`}>
            <b>{truth}</b> taken for <b>{predicted}</b>{" "}
            <span class="muted">
              {count(n)} · {percentOf(share)}
            </span>
          </li>
        ))}
      </ol>
    </>
  );
}

export function ConfusionMatrix({ report }) {
  const confusion = readConfusion(report.data);
  if (!confusion) return null;
  const { classes, right, count: all } = confusion;
  const wide = classes.length > GRID_MAX;
  const summary = `${percentOf(right / all)} of ${plural(all, "image")} in ${plural(classes.length, "class", "classes")}`;
  return (
    <Card title="Confusion matrix" class="confusion-card" action={<span class="muted num">{summary}</span>}>
      {!wide && <Grid confusion={confusion} label={`Confusion matrix: ${summary} recognized`} />}
      <Mistakes confusion={confusion} limit={wide ? MISTAKES_ALONE : MISTAKES} />
    </Card>
  );
}
