// Board.jsx - Shudan's board, as wide as its place, with coordinates and a mark on the last move.

import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { Goban } from "@sabaki/shudan";
import { vertexName } from "../lib/go.js";

const BORDER_EM = 0.3; // both sides, --shudan-board-border-width
const PADDING_EM = 0.5; // both sides, without coordinates

/** The largest whole size of a point with which the board fits `width` pixels. */
function vertexSizeFor(width, size, coordinates) {
  return Math.max(1, Math.floor(width / (size + BORDER_EM + (coordinates ? 2 : PADDING_EM))));
}

function useWidth(element) {
  const [width, setWidth] = useState(0);
  useEffect(() => {
    const observer = new ResizeObserver(([entry]) => setWidth(entry.contentRect.width));
    observer.observe(element.current);
    return () => observer.disconnect();
  }, []);
  return width;
}

/** Numbers on the stones still on the board, or only a dot on the last move. */
function markersFor(position, moves, numbered) {
  const map = position.signMap.map((row) => row.map(() => null));
  if (numbered) {
    moves.forEach(({ vertex, sign }, i) => {
      if (vertex && position.signMap[vertex[1]][vertex[0]] === sign) {
        map[vertex[1]][vertex[0]] = { type: "label", label: String(i + 1) };
      }
    });
  } else {
    const last = moves.at(-1)?.vertex;
    if (last && position.signMap[last[1]][last[0]] !== 0) map[last[1]][last[0]] = { type: "circle" };
  }
  return map;
}

export function Board({ position, moves, size, coordinates = true, numbered = false, label }) {
  const place = useRef(null);
  const width = useWidth(place);
  const markerMap = useMemo(() => markersFor(position, moves, numbered), [position.signMap, moves.length, numbered]);
  const last = moves.at(-1);
  const spoken = last
    ? `move ${moves.length}, ${last.sign > 0 ? "Black" : "White"} ${vertexName(last.vertex, size)}`
    : "empty board";
  return (
    <div class="board" ref={place} role="img" aria-label={`${label}: ${spoken}`}>
      {width > 0 && (
        <Goban
          vertexSize={vertexSizeFor(width, size, coordinates)}
          signMap={position.signMap}
          markerMap={markerMap}
          showCoordinates={coordinates}
          fuzzyStonePlacement={false}
        />
      )}
    </div>
  );
}
