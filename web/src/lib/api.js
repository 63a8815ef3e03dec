// api.js - calls to the coordinator. Every failure is a Problem with a sentence for people.
//
// The session is a cookie that POST /session sets, so neither this file nor the page ever stores a token.

const BASE = "/api/v1";

/** What went wrong, as RFC 9457 says it. `status` is 0 when there was no answer at all. */
export class Problem extends Error {
  constructor({ status = 0, code = "", title = "", detail = "", field = "" }) {
    super(detail || title || `the server answered ${status}`);
    this.name = "Problem";
    Object.assign(this, { status, code, title, detail, field });
  }

  get offline() {
    return this.status === 0;
  }
}

const OFFLINE = new Problem({
  code: "unreachable",
  title: "No connection",
  detail: "The coordinator does not answer.",
});

let onUnauthorized = () => {};

/** Sets what is called when an answer is 401: the page shows the sign-in form. */
export function whenUnauthorized(callback) {
  onUnauthorized = callback;
}

/** The Problem in an answer that is an error; of no answer at all with status 0. */
export function problemOf(status, statusText, text) {
  if (status === 0) return OFFLINE;
  let fields = {};
  try {
    fields = JSON.parse(text);
  } catch {
    // an answer of something in between, not of the coordinator
  }
  const problem = new Problem({ ...fields, status, title: fields.title || statusText });
  if (status === 401) onUnauthorized(problem);
  return problem;
}

/** JSON in which a BigInt stands as the digits that it is: what somebody typed reaches the server unchanged. */
export function toJson(value, indent) {
  const mark = (_, one) => (typeof one === "bigint" ? `\u0000${one}\u0000` : one);
  return JSON.stringify(value, mark, indent).replace(/"\\u0000(-?\d+)\\u0000"/g, "$1");
}

/** The Response of a call that succeeded; throws a Problem otherwise. `path` is relative to /api/v1. */
export async function request(path, { method = "GET", body, headers = {}, signal } = {}) {
  const init = { method, headers: { accept: "application/json", ...headers }, credentials: "same-origin", signal };
  if (body !== undefined) {
    init.headers["content-type"] = "application/json";
    init.body = toJson(body);
  }
  let response;
  try {
    response = await fetch(BASE + path, init);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw OFFLINE;
  }
  if (!response.ok) throw problemOf(response.status, response.statusText, await response.text().catch(() => ""));
  return response;
}

async function json(path, options) {
  const response = await request(path, options);
  return response.status === 204 ? null : response.json();
}

export const get = (path, signal) => json(path, { signal });
export const post = (path, body = {}, headers) => json(path, { method: "POST", body, headers });
export const put = (path, body) => json(path, { method: "PUT", body });
export const remove = (path) => json(path, { method: "DELETE" });

/** `path` with the parameters that are neither empty nor null. */
export function withQuery(path, parameters) {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(parameters)) {
    if (value !== undefined && value !== null && value !== "") query.set(name, value);
  }
  const text = query.toString();
  return text ? `${path}?${text}` : path;
}

/** The items of up to `pages` pages of a list. */
export async function getAll(path, parameters = {}, pages = 20, signal) {
  const items = [];
  let after = null;
  for (let page = 0; page < pages; page++) {
    const answer = await get(withQuery(path, { limit: 500, ...parameters, after }), signal);
    items.push(...answer.items);
    after = answer.next;
    if (!after) break;
  }
  return items;
}

function nextLink(response) {
  const match = /<([^>]+)>\s*;\s*rel="?next"?/.exec(response.headers.get("link") || "");
  return match ? match[1].replace(/^.*?\/api\/v1/, "") : null;
}

/** Reads NDJSON pages, oldest first, following Link: rel=next; calls onLines(array) for each page. */
export async function getLines(path, onLines, signal, pages = 100) {
  let next = path;
  for (let page = 0; next && page < pages; page++) {
    const response = await request(next, { headers: { accept: "application/x-ndjson" }, signal });
    const text = await response.text();
    onLines(
      text
        .split("\n")
        .filter((line) => line.trim())
        .map((line) => JSON.parse(line)),
    );
    next = nextLink(response);
  }
}

/** A key for Idempotency-Key, so that a repeated submit cannot make two jobs. */
export function idempotencyKey() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
