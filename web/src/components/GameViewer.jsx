// GameViewer.jsx - steps through a record: buttons, keys, a slider, the list of moves, and autoplay.
//
// `live` says that the record may still grow. While the last move is shown the viewer follows it; stepping back stops that
// until the last move is chosen again.

import { useEffect, useRef, useState } from "preact/hooks";
import { Board } from "./Board.jsx";
import { Icon } from "./Icon.jsx";
import { Stone } from "./Badge.jsx";
import { createReplay, vertexName } from "../lib/go.js";

const AUTOPLAY_MS = 700;

function useKeys(actions) {
  const current = useRef(actions);
  current.current = actions;
  useEffect(() => {
    const pressed = (event) => {
      if (event.altKey || event.ctrlKey || event.metaKey) return;
      if (/^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName) && event.target.type !== "range") return;
      if (event.key === " " && event.target.tagName === "BUTTON") return;
      const action = current.current[event.key];
      if (!action) return;
      event.preventDefault();
      action();
    };
    document.addEventListener("keydown", pressed);
    return () => document.removeEventListener("keydown", pressed);
  }, []);
}

function useAutoplay(playing, atEnd, next, stop) {
  useEffect(() => {
    if (!playing) return undefined;
    if (atEnd) {
      stop();
      return undefined;
    }
    const timer = setTimeout(next, AUTOPLAY_MS);
    return () => clearTimeout(timer);
  });
}

function Controls({ at, total, to, playing, setPlaying }) {
  const button = (icon, label, target, disabled, keys) => (
    <button
      class="button icon-only"
      onClick={() => to(target)}
      disabled={disabled}
      aria-label={label}
      title={`${label} (${keys})`}
      data-control={icon}
    >
      <Icon name={icon} />
    </button>
  );
  return (
    <div class="viewer-controls" role="group" aria-label="Steps">
      {button("first", "First move", 0, at === 0, "Home")}
      {button("previous", "Previous move", at - 1, at === 0, "Left arrow")}
      <button
        class="button icon-only"
        onClick={() => {
          if (!playing && at === total) to(0);
          setPlaying(!playing);
        }}
        disabled={total === 0}
        aria-label={playing ? "Stop autoplay" : "Autoplay"}
        title={`${playing ? "Stop autoplay" : "Autoplay"} (Space)`}
        data-control="play"
      >
        <Icon name={playing ? "pause" : "play"} />
      </button>
      {button("next", "Next move", at + 1, at === total, "Right arrow")}
      {button("last", "Last move", total, at === total, "End")}
    </div>
  );
}

function MoveList({ record, at, to }) {
  const list = useRef(null);
  useEffect(() => {
    const row = list.current?.querySelector("[aria-current]");
    const box = list.current;
    if (!box) return;
    if (!row) box.scrollTop = 0;
    else if (row.offsetTop < box.scrollTop) box.scrollTop = row.offsetTop - 8;
    else if (row.offsetTop + row.offsetHeight > box.scrollTop + box.clientHeight)
      box.scrollTop = row.offsetTop + row.offsetHeight - box.clientHeight + 8;
  }, [at]);
  return (
    <ol class="move-list" ref={list} aria-label="Moves">
      {record.moves.map(({ sign, vertex }, i) => (
        <li key={i}>
          <button class="move" onClick={() => to(i + 1)} aria-current={at === i + 1 ? "step" : undefined}>
            <span class="muted num">{i + 1}</span>
            <Stone black={sign > 0} />
            <span class="sr">{sign > 0 ? "Black" : "White"}</span>
            {vertexName(vertex, record.size)}
          </button>
        </li>
      ))}
    </ol>
  );
}

function Toggle({ checked, onChange, children }) {
  return (
    <label class="check">
      <input type="checkbox" checked={checked} onChange={(event) => onChange(event.target.checked)} />
      {children}
    </label>
  );
}

function Side({ black, name, captures, toPlay }) {
  return (
    <div class={`side${toPlay ? " to-play" : ""}`}>
      <Stone black={black} />
      <span class="side-name" title={name}>
        {name}
      </span>
      <span class="muted num nowrap">{captures} captured</span>
    </div>
  );
}

export function GameViewer({ record, black, white, live = false, start = null, children }) {
  const total = record.moves.length;
  const [at, setAt] = useState(start === null ? total : Math.min(start, total));
  const [following, setFollowing] = useState(live);
  const [playing, setPlaying] = useState(false);
  const [coordinates, setCoordinates] = useState(true);
  const [numbered, setNumbered] = useState(false);
  const replay = useRef(null);
  replay.current ||= createReplay();
  const shown = following && live ? total : Math.min(at, total);
  const to = (n) => {
    const target = Math.max(0, Math.min(total, n));
    setAt(target);
    setFollowing(live && target === total);
  };
  useAutoplay(
    playing,
    shown === total,
    () => to(shown + 1),
    () => setPlaying(false),
  );
  useKeys({
    ArrowLeft: () => to(shown - 1),
    ArrowRight: () => to(shown + 1),
    Home: () => to(0),
    End: () => to(total),
    " ": () => setPlaying(!playing),
  });
  const position = replay.current(record, shown);
  const moves = record.moves.slice(0, shown);
  const next = record.moves[shown]?.sign ?? (shown % 2 ? -1 : 1);
  const last = moves.at(-1);
  return (
    <div class="viewer">
      <div class="viewer-board">
        <Board
          position={position}
          moves={moves}
          size={record.size}
          coordinates={coordinates}
          numbered={numbered}
          label={`${black} against ${white}`}
        />
      </div>
      <div class="viewer-side">
        <div class="card viewer-card">
          <Side black name={black} captures={position.captures[0]} toPlay={live && next > 0} />
          <Side name={white} captures={position.captures[1]} toPlay={live && next < 0} />
        </div>
        <div class="card viewer-card">
          <div class="row between baseline">
            <p class="num">
              <b>Move {shown}</b> <span class="muted">of {total}</span>
            </p>
            <p class="muted" aria-live={playing || (live && following) ? "off" : "polite"}>
              {last ? `${last.sign > 0 ? "Black" : "White"} ${vertexName(last.vertex, record.size)}` : "Start"}
            </p>
          </div>
          <input
            type="range"
            min={0}
            max={total}
            value={shown}
            aria-label="Move"
            onInput={(event) => to(Number(event.target.value))}
          />
          <Controls at={shown} total={total} to={to} playing={playing} setPlaying={setPlaying} />
          <div class="row gap-3 wrap">
            <Toggle checked={coordinates} onChange={setCoordinates}>
              Coordinates
            </Toggle>
            <Toggle checked={numbered} onChange={setNumbered}>
              Move numbers
            </Toggle>
            {live && (
              <Toggle checked={following} onChange={setFollowing}>
                Follow
              </Toggle>
            )}
          </div>
        </div>
        {children}
        <MoveList record={record} at={shown} to={to} />
      </div>
    </div>
  );
}
