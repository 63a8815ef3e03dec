// main.jsx - starts the dashboard.

import { render } from "preact";
import { App } from "./app.jsx";
import { checkSession, signIn, takeTokenFromAddress } from "./lib/session.js";
import "./styles/app.css";

// At the start, and when such an address is opened in a tab that shows the dashboard already.
function enter() {
  const token = takeTokenFromAddress();
  if (token) signIn(token).catch(checkSession);
  return token !== null;
}

window.addEventListener("hashchange", enter);
render(<App />, document.getElementById("app"));
if (!enter()) checkSession();
