// LiveBoard.jsx - a game in progress: the board as it stands now and who plays.

import { useRef } from "preact/hooks";
import { Board } from "./Board.jsx";
import { Stone } from "./Badge.jsx";
import { createReplay, liveRecord } from "../lib/go.js";

const EMPTY = Array.from({ length: 9 }, () => new Array(9).fill(0));

/** The place of a live game while there is none: as large as one, so that nothing moves when it begins. */
export function NoLiveBoard({ children }) {
  return (
    <div class="live-board no-live-board">
      <Board position={{ signMap: EMPTY }} moves={[]} size={9} coordinates label="No live game" />
      <span class="live-none">{children}</span>
    </div>
  );
}

export function LiveBoard({ live, href, coordinates = false }) {
  const replay = useRef(null);
  replay.current ||= createReplay();
  const record = liveRecord(live);
  const position = replay.current(record, record.moves.length);
  const toPlay = record.moves.length % 2 ? -1 : 1;
  return (
    <a class="live-board" href={href}>
      <span class="sr">Watch</span>
      <Board position={position} moves={record.moves} size={record.size} coordinates={coordinates} label="Live game" />
      <span class="live-caption">
        <span class={toPlay > 0 ? "to-play" : ""}>
          <Stone black />
          {live.black}
        </span>
        <span class="num muted">move {record.moves.length}</span>
        <span class={toPlay < 0 ? "to-play" : ""}>
          <Stone />
          {live.white}
        </span>
      </span>
    </a>
  );
}
