// resource.js - what a page shows: loaded once, changed by events, loaded anew on `reset`.

import { useCallback, useEffect, useRef, useState } from "preact/hooks";
import { listen, opened } from "./events.js";

/**
 * Loads with load(signal) whenever `keys` change and gives {data, error, loading, reload, change}. `reduce(data, event name,
 * event data)` applies an event and returns the new data (the same object for "nothing changed"); events that arrive
 * before the first answer are kept and applied after it, so that none falls between the two.
 */
export function useResource(load, keys, { reduce = null, topics = [] } = {}) {
  const [state, setState] = useState({ data: null, error: null, loading: true });
  const latest = useRef({});
  latest.current.load = load;
  latest.current.reduce = reduce;
  const run = useRef(() => {});

  useEffect(() => {
    let controller = null;
    let waiting = [];
    let alive = true;
    const apply = (data, events) =>
      events.reduce((now, [name, payload]) => latest.current.reduce?.(now, name, payload) ?? now, data);
    const start = async () => {
      controller?.abort();
      const mine = new AbortController();
      controller = mine;
      waiting = [];
      try {
        await opened();
        if (mine.signal.aborted) return;
        const loaded = await latest.current.load(mine.signal);
        if (!alive || controller !== mine) return;
        controller = null; // before the events: one of them may ask for another load
        const data = apply(loaded, waiting);
        setState({ data, error: null, loading: false });
      } catch (error) {
        if (!alive || error.name === "AbortError" || controller !== mine) return;
        controller = null;
        setState((old) => ({ data: old.data, error, loading: false }));
      }
    };
    run.current = start;
    setState({ data: null, error: null, loading: true });
    const stop = listen((name, payload) => {
      if (name === "reset") start();
      else if (controller) waiting.push([name, payload]);
      if (name === "reset" || !latest.current.reduce) return;
      setState((old) => {
        if (old.data === null) return old;
        const data = apply(old.data, [[name, payload]]);
        return data === old.data ? old : { ...old, data };
      });
    }, topics);
    start();
    return () => {
      alive = false;
      controller?.abort();
      stop();
    };
  }, keys);

  const reload = useCallback(() => run.current(), []);
  const change = useCallback((update) => setState((old) => ({ ...old, data: update(old.data) })), []);
  return { ...state, reload, change };
}

/** `items` with the one of the same id replaced; unknown ones are put first when `admit(item)` holds. */
export function upsert(items, item, admit = () => true) {
  const index = items.findIndex((other) => other.id === item.id);
  if (index < 0) return admit(item) ? [item, ...items] : items;
  const copy = items.slice();
  copy[index] = { ...items[index], ...item };
  return copy;
}
