// main.jsx - starts the dashboard.

import { render } from "preact";
import { App } from "./app.jsx";
import { checkSession, signIn, takeTokenFromAddress } from "./lib/session.js";
import "./styles/app.css";

const token = takeTokenFromAddress();
render(<App />, document.getElementById("app"));
if (token) signIn(token).catch(checkSession);
else checkSession();
