// session.js - who is looking, and what they may do.

import { get, post, remove, whenUnauthorized } from "./api.js";
import { startEvents, stopEvents } from "./events.js";
import { createStore } from "./store.js";

/** {state: "unknown" | "in" | "out" | "unreachable", role, name, version} */
export const session = createStore({ state: "unknown", role: "", name: "", version: "" });

export async function checkSession() {
  try {
    const who = await get("/whoami");
    session.set({ state: "in", ...who });
    startEvents();
  } catch (problem) {
    if (problem.status !== 401)
      session.set((old) => (old.state === "in" ? old : { ...old, state: "unreachable", problem }));
  }
}

whenUnauthorized((problem) => {
  stopEvents();
  session.set({ state: "out", role: "", name: "", version: "", problem });
});

// Whether there is anything to sign out of: the cookie itself cannot be seen from here.
const KEY = "tengen-signed-in";

function remember(signedIn) {
  try {
    if (signedIn) localStorage.setItem(KEY, "yes");
    else localStorage.removeItem(KEY);
  } catch {
    // a browser that keeps nothing only lacks the button to sign out
  }
}

export function isSignedIn() {
  try {
    return localStorage.getItem(KEY) !== null;
  } catch {
    return false;
  }
}

/** Changes the token into a cookie that scripts cannot read. Throws the Problem. */
export async function signIn(token) {
  await post("/session", { token });
  remember(true);
  await checkSession();
}

/** The token of an address that ends in #token=tg_... (scripts/up prints one), which is taken out of the address and of
 * the history at once. The part behind # never travels to the server, so it is in nobody's log. Null without one. */
export function takeTokenFromAddress() {
  const token = /^#token=(tg_[\w-]+)$/.exec(location.hash)?.[1] ?? null;
  if (token) location.replace("#/");
  return token;
}

export async function signOut() {
  await remove("/session").catch(() => {});
  remember(false);
  stopEvents();
  session.set({ state: "out", role: "", name: "", version: "" });
}

export const maySubmit = (who) => who.role === "admin" || who.role === "submit";
export const mayAdmin = (who) => who.role === "admin";
