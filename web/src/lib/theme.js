// theme.js - light, dark, or as the system says. The choice is kept in this browser.

import { createStore } from "./store.js";

const KEY = "tengen-theme";
export const THEMES = ["auto", "light", "dark"];

function stored() {
  try {
    const value = localStorage.getItem(KEY);
    return THEMES.includes(value) ? value : "auto";
  } catch {
    return "auto";
  }
}

export const theme = createStore(stored());

/** Changes with everything that changes colours: charts draw anew. */
export const palette = createStore(0);

function apply() {
  const chosen = theme.get();
  if (chosen === "auto") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = chosen;
  palette.set((n) => n + 1);
}

apply();
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => palette.set((n) => n + 1));

export function chooseTheme(value) {
  theme.set(value);
  try {
    localStorage.setItem(KEY, value);
  } catch {
    // a browser that keeps nothing still shows the choice until it is closed
  }
  apply();
}
