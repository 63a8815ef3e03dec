// Tables.jsx - the lists of jobs and games, on their own pages and within others.

import { Ago } from "./Time.jsx";
import { Players, State } from "./Badge.jsx";
import { Progress } from "./Progress.jsx";
import { count, leftText, progressShare, rate, resultText, unitOf, words } from "../lib/format.js";

function JobRow({ job }) {
  const running = job.state === "running";
  return (
    <tr>
      <td class="cell-main">
        <a class="row-link" href={`#/jobs/${job.id}`}>
          {job.name || `${words(job.kind)} ${job.id}`}
        </a>
        <span class="sub">
          <span class="num">#{job.id}</span> {job.kind}
        </span>
      </td>
      <td>
        <State state={job.state} />
      </td>
      <td class="cell-progress">
        <Progress job={job} />
        <span class="sub num">
          {count(job.units.done)} of {count(job.units.total)} {unitOf(job)} · {progressShare(job)}
        </span>
      </td>
      <td class="hide-s num nowrap">{running ? rate(job.rate_per_s, job.unit) : ""}</td>
      <td class="hide-m num nowrap">{leftText(job)}</td>
      <td class="hide-s muted">
        <Ago ms={job.ended_ms || job.started_ms || job.created_ms} />
      </td>
    </tr>
  );
}

export function JobTable({ jobs }) {
  return (
    <table class="table job-table">
      <thead>
        <tr>
          <th scope="col">Job</th>
          <th scope="col">State</th>
          <th scope="col">Progress</th>
          <th scope="col" class="hide-s">
            Rate
          </th>
          <th scope="col" class="hide-m">
            Left
          </th>
          <th scope="col" class="hide-s">
            Last change
          </th>
        </tr>
      </thead>
      <tbody>
        {jobs.map((job) => (
          <JobRow job={job} key={job.id} />
        ))}
      </tbody>
    </table>
  );
}

function GameRow({ game, showJob }) {
  return (
    <tr>
      <td class="cell-main">
        <a class="row-link" href={`#/games/${game.id}`}>
          <Players game={game} />
        </a>
      </td>
      <td>
        <span class="num nowrap result" title={resultText(game.result)}>
          {game.result === "0" ? "Draw" : game.result}
        </span>
        {game.note && <span class="sub">{game.note}</span>}
      </td>
      <td class="num hide-s">
        {game.board}×{game.board}
      </td>
      <td class="num hide-s">{count(game.moves)}</td>
      {showJob && (
        <td class="hide-m num">
          <a class="above-row-link" href={`#/jobs/${game.job}`}>
            #{game.job}
          </a>
        </td>
      )}
      <td class="muted">
        <Ago ms={game.created_ms} />
      </td>
    </tr>
  );
}

export function GameTable({ games, showJob = true }) {
  return (
    <table class="table game-table">
      <thead>
        <tr>
          <th scope="col">Players</th>
          <th scope="col">Result</th>
          <th scope="col" class="hide-s">
            Board
          </th>
          <th scope="col" class="hide-s">
            Moves
          </th>
          {showJob && (
            <th scope="col" class="hide-m">
              Job
            </th>
          )}
          <th scope="col">Finished</th>
        </tr>
      </thead>
      <tbody>
        {games.map((game) => (
          <GameRow game={game} showJob={showJob} key={game.id} />
        ))}
      </tbody>
    </table>
  );
}
