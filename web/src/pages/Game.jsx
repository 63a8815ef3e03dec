// Game.jsx - one finished game: its facts, and the board to step through it.

import { get, request } from "../lib/api.js";
import { date, number, resultText, words } from "../lib/format.js";
import { readSgf } from "../lib/go.js";
import { useResource } from "../lib/resource.js";
import { PageHead } from "../components/Page.jsx";
import { LoadError, Skeleton } from "../components/Empty.jsx";
import { GameViewer } from "../components/GameViewer.jsx";
import { Icon } from "../components/Icon.jsx";

async function load(id, signal) {
  const [game, sgf] = await Promise.all([
    get(`/games/${id}`, signal),
    request(`/games/${id}.sgf`, { headers: { accept: "application/x-go-sgf" }, signal }).then((answer) =>
      answer.text(),
    ),
  ]);
  return { game, record: readSgf(sgf) };
}

function Facts({ game }) {
  return (
    <div class="card viewer-card">
      <p class="game-result">{resultText(game.result)}</p>
      {game.note && <p class="reason">{game.note}</p>}
      <dl class="facts">
        <dt>Result</dt>
        <dd class="num">{game.result}</dd>
        <dt>Ended by</dt>
        <dd>{words(game.reason)}</dd>
        <dt>Komi</dt>
        <dd class="num">{number(game.komi)}</dd>
        <dt>Rules</dt>
        <dd>{words(game.rules)}</dd>
        <dt>Job</dt>
        <dd>
          <a href={`#/jobs/${game.job}`}>#{game.job}</a>
        </dd>
        <dt>Finished</dt>
        <dd>{date(game.created_ms)}</dd>
      </dl>
    </div>
  );
}

export function GamePage({ id }) {
  const { data, error, loading, reload } = useResource((signal) => load(id, signal), [id]);
  return (
    <>
      <PageHead
        title={data ? `${data.game.black} – ${data.game.white}` : `Game ${id}`}
        kicker={
          <>
            <a href="#/games">Games</a> / <span class="num">#{id}</span>
          </>
        }
      >
        <a class="button" href={`/api/v1/games/${id}.sgf`} download={`tengen-${id}.sgf`}>
          <Icon name="download" size={16} />
          SGF
        </a>
      </PageHead>
      <LoadError error={error} reload={reload} />
      {loading && !data && <Skeleton rows={10} />}
      {data && (
        <GameViewer record={data.record} black={data.game.black} white={data.game.white}>
          <Facts game={data.game} />
        </GameViewer>
      )}
    </>
  );
}
