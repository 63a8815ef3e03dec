// events.js - server-sent events, read with fetch rather than EventSource.
//
// EventSource cannot send Last-Event-ID on a connection that the page itself opens, and this page opens many: it closes the
// stream while its tab is hidden and asks for other topics on each page. So the few lines of the format are parsed here.
//
// States of `connection`: "connecting" -> "live" -> (lost) "retrying" -> ... ; "polling" after three failures in a row, in
// which case listeners get a `reset` every POLL_MS and the stream is still retried behind it; "hidden" while the tab is.
// A listener hears (event name, data). After `reset` it loads anew what it shows.
//
// No event may fall between what a page loads and the stream that tells what changed. So the first load of a session waits
// until the stream has said at which id it stands (`opened`); later streams go on from the id that was read last, and the
// server says `reset` when it cannot tell what happened since.

import { createStore } from "./store.js";

const RETRY_MS = [500, 1000, 2000, 4000, 8000];
const POLL_MS = 5000;
const OPENING_MS = 3000; // a page does not wait longer than this for its first stream
const SILENCE_MS = 40000; // the server comments every 15 s: a line that is quiet for longer is dead
const BASE_TOPICS = ["jobs", "workers", "games"];

export const connection = createStore("connecting");

const listeners = new Set();
const extraTopics = new Map(); // topic -> how many components want it
let controller = null;
let lastEventId = "";
let failures = 0;
let retryTimer = 0;
let pollTimer = 0;
let started = false;
let opening = null; // {promise, resolve, timer} until the session's first stream has begun
let blind = false; // whether something was loaded without a stream beside it

/** What to wait for before anything is loaded; nothing, once a stream has begun. */
export const opened = () => opening?.promise;

function expectStream() {
  opening = {};
  opening.promise = new Promise((resolve) => (opening.resolve = resolve));
  opening.timer = setTimeout(() => goOn(true), OPENING_MS);
}

/** Lets the loads go that wait for a stream: it has begun, or (`withoutStream`) none does. */
function goOn(withoutStream) {
  if (!opening) return;
  const { resolve, timer } = opening;
  opening = null;
  clearTimeout(timer);
  blind = withoutStream;
  resolve();
}

function emit(name, data) {
  for (const listener of [...listeners]) listener(name, data);
}

/** Calls handle(name, data, id) for each event in a chunked text stream, and stands(id) for an id without an event; returns
 * a function to feed it. */
export function eventParser(handle, stands = () => {}) {
  let buffered = "";
  let name = "";
  let id = "";
  let data = [];
  const line = (text) => {
    if (text === "") {
      if (data.length) handle(name || "message", data.join("\n"), id);
      else if (id) stands(id);
      name = "";
      data = [];
      return;
    }
    if (text.startsWith(":")) return;
    const colon = text.indexOf(":");
    const field = colon < 0 ? text : text.slice(0, colon);
    const value = colon < 0 ? "" : text.slice(colon + 1).replace(/^ /, "");
    if (field === "event") name = value;
    else if (field === "data") data.push(value);
    else if (field === "id") id = value;
  };
  return (chunk) => {
    buffered += chunk;
    const lines = buffered.split(/\r\n|\n|\r(?!$)/);
    buffered = lines.pop();
    lines.forEach(line);
  };
}

function receive(name, text, id) {
  if (id) lastEventId = id;
  let data = null;
  try {
    data = JSON.parse(text);
  } catch {
    data = text;
  }
  emit(name, data);
}

async function readStream(signal) {
  const topics = [...BASE_TOPICS, ...extraTopics.keys()].join(",");
  const headers = { accept: "text/event-stream" };
  if (lastEventId) headers["last-event-id"] = lastEventId;
  const response = await fetch(`/api/v1/events?topics=${encodeURIComponent(topics)}`, {
    headers,
    signal,
    credentials: "same-origin",
    cache: "no-store",
  });
  if (!response.ok || !response.body) throw new Error(`events: ${response.status}`);
  const missedSome = blind || failures > 0 || connection.get() === "polling";
  failures = 0;
  blind = false;
  stopPolling();
  connection.set("live");
  if (missedSome && !lastEventId) emit("reset", null);
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  const feed = eventParser(receive, (id) => (lastEventId = id));
  let watchdog = 0;
  try {
    for (;;) {
      clearTimeout(watchdog);
      watchdog = setTimeout(() => reader.cancel().catch(() => {}), SILENCE_MS);
      const { value, done } = await reader.read();
      if (done) return;
      feed(value);
      goOn(false);
    }
  } finally {
    clearTimeout(watchdog);
  }
}

function stopPolling() {
  clearInterval(pollTimer);
  pollTimer = 0;
}

function retryLater() {
  goOn(true);
  failures += 1;
  const polling = failures >= 3;
  connection.set(polling ? "polling" : "retrying");
  if (polling && !pollTimer) pollTimer = setInterval(() => emit("reset", null), POLL_MS);
  const wait = RETRY_MS[Math.min(failures, RETRY_MS.length) - 1];
  retryTimer = setTimeout(open, wait * (0.75 + Math.random() / 2));
}

async function open() {
  close();
  if (!started || document.hidden) return;
  const mine = new AbortController();
  controller = mine;
  if (connection.get() === "hidden") connection.set("connecting");
  try {
    await readStream(mine.signal);
  } catch {
    // falls through to the retry below: how the line was lost makes no difference
  }
  if (controller !== mine) return;
  controller = null;
  retryLater();
}

function close() {
  clearTimeout(retryTimer);
  const old = controller;
  controller = null;
  old?.abort();
}

function visibilityChanged() {
  if (!started) return;
  if (document.hidden) {
    close();
    goOn(true);
    stopPolling();
    connection.set("hidden");
  } else {
    failures = 0;
    open();
    emit("reset", null);
  }
}

let reopenTimer = 0;
function topicsChanged() {
  if (!started || document.hidden) return;
  clearTimeout(reopenTimer);
  reopenTimer = setTimeout(open, 30); // a page change leaves old topics and takes new ones: reconnect once
}

/** Begins to listen (after sign-in). Repeating does nothing. */
export function startEvents() {
  if (started) return;
  started = true;
  document.addEventListener("visibilitychange", visibilityChanged);
  if (document.hidden) connection.set("hidden");
  else expectStream();
  blind = document.hidden;
  open();
}

/** Stops for good: signed out. */
export function stopEvents() {
  started = false;
  document.removeEventListener("visibilitychange", visibilityChanged);
  clearTimeout(reopenTimer);
  stopPolling();
  close();
  goOn(false);
  lastEventId = "";
}

/** Tries at once instead of waiting for the next retry. */
export function retryNow() {
  if (started && !document.hidden) open();
}

/** Hears every event until the returned function is called; `topics` are added to the stream meanwhile. */
export function listen(listener, topics = []) {
  listeners.add(listener);
  let changed = false;
  for (const topic of topics) {
    const count = extraTopics.get(topic) || 0;
    extraTopics.set(topic, count + 1);
    if (!count) changed = true;
  }
  if (changed) topicsChanged();
  return () => {
    listeners.delete(listener);
    let left = false;
    for (const topic of topics) {
      const count = extraTopics.get(topic) - 1;
      if (count) extraTopics.set(topic, count);
      else left = extraTopics.delete(topic);
    }
    if (left) topicsChanged();
  };
}
