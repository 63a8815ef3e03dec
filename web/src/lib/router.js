// router.js - pages by the address's hash: "#/jobs/12?state=running".

import { createStore } from "./store.js";

function parse() {
  const [path, query = ""] = location.hash.replace(/^#\/?/, "").split("?");
  return {
    parts: path.split("/").filter(Boolean).map(decodeURIComponent),
    query: Object.fromEntries(new URLSearchParams(query)),
  };
}

export const route = createStore(parse());
addEventListener("hashchange", () => route.set(parse()));

export const href = (path, query = {}) => {
  const text = new URLSearchParams(Object.entries(query).filter(([, value]) => value)).toString();
  return `#/${path}${text ? `?${text}` : ""}`;
};

export function go(path, query) {
  location.hash = href(path, query);
}

/** Changes the query without a step in the history: filters. */
export function setQuery(query) {
  const { parts } = route.get();
  history.replaceState(null, "", href(parts.map(encodeURIComponent).join("/"), query));
  route.set(parse());
}
