// go.js - Go records: the main line of an SGF, and the positions that moves lead to.
//
// Coordinates are [x, y] with the origin at the top left, as in SGF and in Shudan. A pass is null.

import GoBoard from "@sabaki/go-board";

const LETTERS = "ABCDEFGHJKLMNOPQRSTUVWXYZ";

/** An SGF point; null for a pass ("" or, up to 19x19, "tt"). */
export function point(text, size) {
  if (!text || (text === "tt" && size <= 19)) return null;
  const vertex = [text.charCodeAt(0) - 97, text.charCodeAt(1) - 97];
  return vertex.every((n) => n >= 0 && n < size) ? vertex : null;
}

/** "E5", or "pass". */
export function vertexName(vertex, size) {
  return vertex ? `${LETTERS[vertex[0]]}${size - vertex[1]}` : "pass";
}

/** The nodes of the main line, each as Map property -> [values]: the first branch wherever the record divides. */
function mainLine(text) {
  const nodes = [];
  const token = /[();]|([A-Za-z]+)|\[((?:\\[\s\S]|[^\]\\])*)\]/g;
  let depth = 0;
  let closed = false;
  let values = null;
  for (let match; (match = token.exec(text));) {
    if (match[0] === "(") depth += 1;
    else if (match[0] === ")") {
      closed = true; // what follows the first closed branch are variations
      if (--depth <= 0) break;
    } else if (closed) continue;
    else if (match[0] === ";") nodes.push(new Map());
    else if (!nodes.length) continue;
    else if (match[1]) {
      const name = match[1].replace(/[a-z]/g, "");
      values = nodes.at(-1).get(name) || [];
      nodes.at(-1).set(name, values);
    } else values?.push(match[2].replace(/\\(\r\n|\n|\r)/g, "").replace(/\\([\s\S])/g, "$1"));
  }
  return nodes;
}

function setupOf(node, size) {
  const stones = [];
  const add = (name, sign) =>
    (node.get(name) || []).forEach((text) => {
      const [from, to = from] = text.split(":");
      const a = point(from, size);
      const b = point(to, size);
      if (!a || !b) return;
      for (let x = Math.min(a[0], b[0]); x <= Math.max(a[0], b[0]); x++)
        for (let y = Math.min(a[1], b[1]); y <= Math.max(a[1], b[1]); y++) stones.push({ sign, vertex: [x, y] });
    });
  add("AB", 1);
  add("AW", -1);
  add("AE", 0);
  return stones;
}

/** {size, komi, result, setup: [{sign, vertex}], moves: [{sign, vertex}]}; setup is that of the root. */
export function readSgf(text) {
  const nodes = mainLine(text);
  const root = nodes[0] || new Map();
  const size = Number.parseInt(root.get("SZ")?.[0] ?? "19", 10) || 19;
  const moves = [];
  for (const node of nodes) {
    if (node.has("B")) moves.push({ sign: 1, vertex: point(node.get("B")[0], size) });
    if (node.has("W")) moves.push({ sign: -1, vertex: point(node.get("W")[0], size) });
  }
  return {
    size,
    komi: Number(root.get("KM")?.[0] ?? 0),
    result: root.get("RE")?.[0] ?? "",
    setup: setupOf(root, size),
    moves,
  };
}

/** What names a live game in an address: its task and its number there. */
export const liveKey = (live) => `${live.task ?? 0}.${live.game}`;

/** A live game's list of SGF letters, Black first, in the same shape. */
export function liveRecord(live) {
  const moves = live.moves.map((text, index) => ({ sign: index % 2 ? -1 : 1, vertex: point(text, live.board) }));
  return { size: live.board, komi: live.komi, result: "", setup: [], moves };
}

const empty = (size) => new GoBoard(Array.from({ length: size }, () => new Array(size).fill(0)));

/**
 * A cache of positions: at(record, n) is {signMap, captures: [by Black, by White]} after n moves. A record that only grew
 * (a live game) costs one move, not the whole game again.
 */
export function createReplay() {
  let boards = [];
  let played = [];
  let size = 0;
  const same = (a, b) => a && a.sign === b.sign && String(a.vertex) === String(b.vertex);

  function start(record) {
    size = record.size;
    played = [];
    const board = empty(size);
    for (const { sign, vertex } of record.setup) board.set(vertex, sign);
    boards = [board];
  }

  function prefix(moves) {
    let n = 0;
    while (n < played.length && n < moves.length && same(played[n], moves[n])) n += 1;
    return n;
  }

  return function at(record, n) {
    if (record.size !== size || !boards.length) start(record);
    const kept = prefix(record.moves);
    if (kept === 0 && played.length) start(record);
    played.length = Math.min(played.length, kept);
    boards.length = played.length + 1;
    for (let i = played.length; i < n; i++) {
      const { sign, vertex } = record.moves[i];
      boards.push(vertex ? boards[i].makeMove(sign, vertex) : boards[i]);
      played.push(record.moves[i]);
    }
    const board = boards[n];
    return { signMap: board.signMap, captures: [board.getCaptures(1), board.getCaptures(-1)] };
  };
}
