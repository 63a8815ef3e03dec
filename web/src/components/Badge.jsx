// Badge.jsx - a state as a word with a dot: never by colour alone.

export function State({ state }) {
  return (
    <span class={`state state-${state}`}>
      <i aria-hidden="true" />
      {state}
    </span>
  );
}

export function Stone({ black }) {
  return <i class={`stone ${black ? "stone-black" : "stone-white"}`} aria-hidden="true" />;
}

/** Both players with their stones; the winner in bold. */
export function Players({ game }) {
  const winner = game.result?.[0];
  return (
    <span class="players">
      <span class={winner === "B" ? "winner" : ""}>
        <Stone black />
        <span class="sr">Black: </span>
        {game.black}
      </span>
      <span class={winner === "W" ? "winner" : ""}>
        <Stone />
        <span class="sr">White: </span>
        {game.white}
      </span>
    </span>
  );
}
