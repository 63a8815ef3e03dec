// JobReports.jsx - what a job's runners have to show: results, the confusion matrix, images with predictions.

import { useEffect, useRef } from "preact/hooks";
import { get } from "../lib/api.js";
import { fineShare, number, percentOf, words } from "../lib/format.js";
import { useResource } from "../lib/resource.js";
import { Ago } from "./Time.jsx";
import { Card } from "./Page.jsx";
import { ConfusionMatrix } from "./ConfusionMatrix.jsx";
import { LoadError } from "./Empty.jsx";
import { Samples } from "./Samples.jsx";

const SHARE = /(^|_)(accuracy|top1|top5|share|dice|iou)(_low|_high)?$/;

function valueText(name, value) {
  if (typeof value === "number") return SHARE.test(name) ? fineShare(value) : number(value);
  if (value && typeof value === "object") return JSON.stringify(value);
  return String(value);
}

function Summary({ report, title }) {
  const facts = Object.entries(report.data || {});
  if (!facts.length) return null;
  return (
    <Card title={title} action={<Ago ms={report.time_ms} />}>
      <dl class="pairs">
        {facts.map(([name, value]) => (
          <div key={name}>
            <dt>{words(name)}</dt>
            <dd class="num">{valueText(name, value)}</dd>
          </div>
        ))}
      </dl>
    </Card>
  );
}

/** Accuracy by class where there is no matrix to read it from. */
function Classes({ report }) {
  const items = report.data?.items || [];
  if (!items.length) return null;
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
