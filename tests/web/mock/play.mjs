// play.mjs - plausible little Go games for the mock: random legal moves that do not fill eyes.

import GoBoard from "../../../web/node_modules/@sabaki/go-board/src/main.js";

/** A small seeded generator (mulberry32), so that the mock's world is the same on every run. */
export function generator(seed) {
  let a = seed >>> 0;
  return () => {
    a = (a + 0x6d2b79f5) | 0;
    let t = Math.imul(a ^ (a >>> 15), 1 | a);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

const letters = ([x, y]) => String.fromCharCode(97 + x, 97 + y);

function isEye(board, vertex, sign) {
  return board.getNeighbors(vertex).every((n) => board.get(n) === sign);
}

/** Prefers points near the last move and away from the edge, which looks less silly than uniform play. */
function choose(board, sign, last, random) {
  let best = null;
  let bestWeight = 0;
  for (let y = 0; y < board.height; y++) {
    for (let x = 0; x < board.width; x++) {
      const vertex = [x, y];
      if (board.get(vertex) !== 0 || isEye(board, vertex, sign)) continue;
      const { suicide, ko, capturing } = board.analyzeMove(sign, vertex);
      if (suicide || ko) continue;
      const edge = Math.min(x, y, board.width - 1 - x, board.height - 1 - y);
      const near = last ? 6 / (1 + Math.hypot(x - last[0], y - last[1])) : 1;
      const weight = random() * (capturing ? 12 : 1) * (edge === 0 ? 0.25 : edge === 1 ? 0.8 : 1.3) * (1 + near);
      if (weight > bestWeight) {
        bestWeight = weight;
        best = vertex;
      }
    }
  }
  return best;
}

/** The moves of one game as SGF letters, "" for a pass. */
export function playGame(size, random, limit = size * size) {
  let board = GoBoard.fromDimensions(size);
  const moves = [];
  let last = null;
  let sign = 1;
  let passes = 0;
  while (moves.length < limit && passes < 2) {
    const vertex = choose(board, sign, last, random);
    passes = vertex ? 0 : passes + 1;
    if (vertex) board = board.makeMove(sign, vertex);
    moves.push(vertex ? letters(vertex) : "");
    last = vertex;
    sign = -sign;
  }
  return moves;
}

export function toSgf(game, moves) {
  const head = `;FF[4]GM[1]CA[UTF-8]AP[Tengen]SZ[${game.board}]KM[${game.komi}]RU[${game.rules}]PB[${game.black}]PW[${game.white}]RE[${game.result}]`;
  return `(${head}${moves.map((move, i) => `;${i % 2 ? "W" : "B"}[${move}]`).join("")})\n`;
}
