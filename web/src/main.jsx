// main.jsx - starts the dashboard.

import { render } from "preact";
import { App } from "./app.jsx";
import { checkSession } from "./lib/session.js";
import "./styles/app.css";

render(<App />, document.getElementById("app"));
checkSession();
