// Job.jsx - everything about one job.

import { useMemo, useState } from "preact/hooks";
import { get, post } from "../lib/api.js";
import { duration, leftText, meanRate, number, rate, timeBaseOf, words } from "../lib/format.js";
import { liveKey } from "../lib/go.js";
import { latestOf } from "../lib/metrics.js";
import { maySubmit, session } from "../lib/session.js";
import { useResource } from "../lib/resource.js";
import { useStore } from "../lib/store.js";
import { Ago } from "../components/Time.jsx";
import { Card, PageHead } from "../components/Page.jsx";
import { Confirm } from "../components/Dialog.jsx";
import { JobCharts, useMetrics } from "../components/JobCharts.jsx";
import { JobCheckpoints } from "../components/JobCheckpoints.jsx";
import { JobConfig } from "../components/JobConfig.jsx";
import { JobGames } from "../components/JobGames.jsx";
import { JobLog } from "../components/JobLog.jsx";
import { JobReports } from "../components/JobReports.jsx";
import { JobRetention } from "../components/JobRetention.jsx";
import { JobTasks } from "../components/JobTasks.jsx";
import { LiveBoard } from "../components/LiveBoard.jsx";
import { LoadError, Skeleton } from "../components/Empty.jsx";
import { Progress, ProgressText } from "../components/Progress.jsx";
import { Score } from "../components/Score.jsx";
import { State } from "../components/Badge.jsx";
import { Tabs } from "../components/Tabs.jsx";
import { Totals } from "../components/Totals.jsx";
import { toast, toastProblem } from "../components/Toast.jsx";

const OPEN = new Set(["queued", "running", "paused"]);
const DONE_TEXT = { cancel: "cancelled", pause: "paused: running tasks end", resume: "resumed" };

function Actions({ job, act }) {
  const [asking, setAsking] = useState(false);
  return (
    <>
      {(job.state === "running" || job.state === "queued") && (
        <button class="button" onClick={() => act("pause")}>
          Pause
        </button>
      )}
      {job.state === "paused" && (
        <button class="button primary" onClick={() => act("resume")}>
          Resume
        </button>
      )}
      {OPEN.has(job.state) && (
        <button class="button" onClick={() => setAsking(true)}>
          Cancel
        </button>
      )}
      <a class="button quiet" href={`#/jobs/new?from=${job.id}`}>
        Submit again
      </a>
      {asking && (
        <Confirm
          title={`Cancel ${job.name ? `“${job.name}”` : `job ${job.id}`}?`}
          action="Cancel the job"
          danger
          onConfirm={() => act("cancel")}
          onClose={() => setAsking(false)}
        >
          <p>Running tasks are stopped. What is stored stays; the job cannot be taken up again.</p>
        </Confirm>
      )}
    </>
  );
}

function tasksText({ tasks, ended_ms: ended }) {
  if (!ended) return `${tasks.done} done, ${tasks.leased} running, ${tasks.pending} waiting`;
  return tasks.cancelled ? `${tasks.done} done, ${tasks.cancelled} not needed any more` : `${tasks.done} done`;
}

const tookOf = (job) => (job.started_ms ? ((job.ended_ms || Date.now()) - job.started_ms) / 1000 : NaN);

/** Of a single run, such as a training; a job of many units has a rate instead. */
function runFacts(job, series) {
  const epoch = latestOf(series, "epoch");
  const facts = epoch === null ? [] : [["Epoch", number(epoch)]];
  const left = leftText(job);
  if (left) facts.push(["Time left", left === "ending" ? left : `about ${left}`]);
  return facts;
}

function countFacts(job) {
  const running = job.state === "running";
  const facts = [
    running ? ["Rate now", rate(job.rate_per_s, job.unit, timeBaseOf(job))] : ["Mean rate", meanRate(job)],
  ];
  if (!job.ended_ms) facts.push(["Time left", leftText(job) || "–"]);
  return facts;
}

function Summary({ job, series }) {
  const facts = [
    ...(job.units.total === 1 ? runFacts(job, series) : countFacts(job)),
    ["Took", duration(tookOf(job))],
    ["Tasks", tasksText(job)],
  ];
  if (job.tasks.failed) facts.push(["Failed tasks", job.tasks.failed]);
  if (job.priority) facts.push(["Priority", job.priority]);
  if (job.after?.length)
    facts.push([
      "After",
      job.after.map((id) => (
        <a key={id} href={`#/jobs/${id}`}>
          #{id}{" "}
        </a>
      )),
    ]);
  facts.push([
    job.ended_ms ? "Ended" : job.started_ms ? "Started" : "Created",
    <Ago ms={job.ended_ms || job.started_ms || job.created_ms} />,
  ]);
  return (
    <Card>
      <div class="job-progress">
        <Progress job={job} />
        <ProgressText job={job} brief />
      </div>
      {job.reason && job.reason !== job.error?.detail && (
        <p class="reason" role="status">
          {job.reason}
        </p>
      )}
      {job.error && (
        <div class="notice notice-bad">
          <span>
            <b>{job.error.title || words(job.error.code)}.</b> {job.error.detail}
          </span>
        </div>
      )}
      <dl class="stat-row">
        {facts.map(([name, value]) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd class="num">{value}</dd>
          </div>
        ))}
      </dl>
    </Card>
  );
}

async function load(id, signal) {
  const [job, live] = await Promise.all([
    get(`/jobs/${id}`, signal),
    get(`/jobs/${id}/live`, signal).catch(() => ({ games: [] })),
  ]);
  return { job, live: live.games };
}

function reduce(data, id, name, event) {
  if (name === "job" && event.id === id) return { ...data, job: { ...data.job, ...event } };
  if (name === "live" && event.job === id) return { ...data, live: event.games };
  return data;
}

function Live({ job, live }) {
  if (job.state !== "running" || !live.length) return null;
  return (
    <Card
      title="Live"
      class="live-card"
      action={
        <a class="more" href={`#/jobs/${job.id}/live`}>
          All {live.length}
        </a>
      }
    >
      <LiveBoard live={live[0]} href={`#/jobs/${job.id}/live?game=${liveKey(live[0])}`} />
    </Card>
  );
}

/** What a job makes comes first: a log is empty while all is well. */
function detailTabs(job, change) {
  const log = ["Log", <JobLog id={job.id} />];
  const tasks = ["Tasks", <JobTasks job={job} />];
  const configuration = [
    "Configuration",
    <>
      <JobConfig job={job} />
      <JobRetention job={job} onChanged={(answer) => change((old) => ({ ...old, job: { ...old.job, ...answer } }))} />
    </>,
  ];
  return job.unit === "games"
    ? [["Games", <JobGames id={job.id} />], tasks, log, configuration]
    : [log, tasks, ["Checkpoints", <JobCheckpoints id={job.id} />], configuration];
}

export function JobPage({ id }) {
  const who = useStore(session);
  const topics = useMemo(() => [`job:${id}`, `live:${id}`], [id]);
  const { data, error, loading, reload, change } = useResource((signal) => load(id, signal), [id], {
    topics,
    reduce: (old, name, event) => reduce(old, id, name, event),
  });
  const job = data?.job;
  const series = useMetrics(id);
  const act = async (action) => {
    try {
      const answer = await post(`/jobs/${id}/${action}`);
      change((old) => ({ ...old, job: { ...old.job, ...answer } }));
      toast(`Job ${id} is ${DONE_TEXT[action]}`);
    } catch (problem) {
      toastProblem(problem);
    }
  };
  return (
    <>
      <PageHead
        title={job ? job.name || `${words(job.kind)} ${id}` : `Job ${id}`}
        kicker={
          <>
            <a href="#/jobs">Jobs</a> / <span class="num">#{id}</span> {job && `· ${job.kind}`}
          </>
        }
        lead={job && <State state={job.state} />}
      >
        {job && maySubmit(who) && <Actions job={job} act={act} />}
      </PageHead>
      <LoadError error={error} reload={reload} />
      {loading && !data && <Skeleton rows={10} />}
      {job && (
        <>
          <Summary job={job} series={series} />
          <div class="job-grid">
            <div class="job-aside">
              <Live job={job} live={data.live} />
              {job.unit !== "runs" && <Totals job={job} />}
            </div>
            <div class="job-main">
              {job.score && <Score score={job.score} />}
              <JobCharts job={job} series={series} />
              <JobReports id={id} />
              <Tabs label="Details" tabs={detailTabs(job, change)} />
            </div>
          </div>
        </>
      )}
    </>
  );
}
