// JobReports.jsx - what a job's runners have to show: results, the confusion matrix, images with predictions.

import { useEffect, useRef } from "preact/hooks";
import { get } from "../lib/api.js";
import { number, percentOf, plural, words } from "../lib/format.js";
import { factsOf } from "../lib/labels.js";
import { useResource } from "../lib/resource.js";
import { Ago } from "./Time.jsx";
import { Card } from "./Page.jsx";
import { ConfusionMatrix } from "./ConfusionMatrix.jsx";
import { LoadError } from "./Empty.jsx";
import { Samples } from "./Samples.jsx";

function Summary({ report, title }) {
  const facts = factsOf(report.data);
  if (!facts.length) return null;
  return (
    <Card title={title} action={<Ago ms={report.time_ms} />}>
      <dl class="pairs">
        {facts.map(({ name, label, text }) => (
          <div key={name}>
            <dt>{label}</dt>
            <dd class="num">{text}</dd>
          </div>
        ))}
      </dl>
      {facts.some(({ interval }) => interval) && <p class="sub card-note">In brackets: the 95 % interval.</p>}
    </Card>
  );
}

const absentText = (n) => `${plural(n, "class does", "classes do")} not occur among these images.`;

/** Accuracy by class where there is no matrix to read it from. */
function Classes({ report }) {
  const all = report.data?.items || [];
  const items = all.filter(({ count }) => count > 0);
  if (!items.length) return null;
  const absent = all.length - items.length;
  return (
    <Card title="Accuracy by class">
      <dl class="pairs">
        {items.map(({ class: name, accuracy, count }) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd class="num">
              {percentOf(accuracy)} <span class="muted">of {number(count)}</span>
            </dd>
          </div>
        ))}
      </dl>
      {absent > 0 && <p class="sub card-note">{absentText(absent)}</p>}
    </Card>
  );
}

/** Reports of a kind that this page has no picture for are shown as they are. */
function Other({ report }) {
  return (
    <Card title={words(report.name)} action={<Ago ms={report.time_ms} />}>
      <pre class="code scroll-x" tabIndex={0} role="region" aria-label={words(report.name)}>
        {JSON.stringify(report.data, null, 2)}
      </pre>
    </Card>
  );
}

function shown(report, all) {
  if (report.name === "summary") return <Summary report={report} title="Result" />;
  if (report.name === "confusion") return <ConfusionMatrix report={report} />;
  if (report.name === "samples") return <Samples report={report} />;
  if (report.name === "classes")
    return all.some(({ name }) => name === "confusion") ? null : <Classes report={report} />;
  return <Other report={report} />;
}

const ORDER = ["summary", "confusion", "classes", "samples"];
const rank = ({ name }) => (ORDER.includes(name) ? ORDER.indexOf(name) : ORDER.length);

/** Loads anew when a report has come in; several at once are one load. */
function useReports(id) {
  const timer = useRef(0);
  const resource = useResource(async (signal) => (await get(`/jobs/${id}/reports`, signal)).items, [id], {
    reduce: (old, name, event) => {
      if (name === "report" && event.job === id && !timer.current)
        timer.current = setTimeout(() => {
          timer.current = 0;
          resource.reload();
        }, 200);
      return old;
    },
  });
  useEffect(() => () => clearTimeout(timer.current), []);
  return resource;
}

export function JobReports({ id }) {
  const { data: reports, error, reload } = useReports(id);
  return (
    <>
      <LoadError error={error} reload={reload} />
      {[...(reports || [])]
        .sort((a, b) => rank(a) - rank(b))
        .map((report) => (
          <div class="report" data-report={report.name} key={report.name}>
            {shown(report, reports)}
          </div>
        ))}
    </>
  );
}
