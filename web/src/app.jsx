// app.jsx - the frame around every page: navigation, the state of the connection, and which page the address names.

import { useEffect, useRef } from "preact/hooks";
import { Sidebar, TabBar, TopBar } from "./components/Navigation.jsx";
import { ConnectionNotice } from "./components/Connection.jsx";
import { Toasts } from "./components/Toast.jsx";
import { Empty } from "./components/Empty.jsx";
import { PageHead } from "./components/Page.jsx";
import { route } from "./lib/router.js";
import { checkSession, session } from "./lib/session.js";
import { useStore } from "./lib/store.js";
import { Overview } from "./pages/Overview.jsx";
import { Datasets } from "./pages/Datasets.jsx";
import { Jobs } from "./pages/Jobs.jsx";
import { NewJob } from "./pages/NewJob.jsx";
import { JobPage } from "./pages/Job.jsx";
import { LivePage } from "./pages/Live.jsx";
import { Games } from "./pages/Games.jsx";
import { GamePage } from "./pages/Game.jsx";
import { Workers } from "./pages/Workers.jsx";
import { Tokens } from "./pages/Tokens.jsx";
import { SignIn } from "./pages/SignIn.jsx";

function NotFound() {
  return (
    <>
      <PageHead title="There is no such page" />
      <Empty title="Nothing is at this address" icon="search">
        <a href="#/">Go to the overview</a>
      </Empty>
    </>
  );
}

/** [page, section of the navigation] for an address. */
function pageFor({ parts, query }) {
  const [section, id, part] = parts;
  const numeric = /^[1-9][0-9]*$/.test(id || "");
  if (!section) return [<Overview />, "overview"];
  if (section === "jobs" && !id) return [<Jobs query={query} />, "jobs"];
  if (section === "jobs" && id === "new") return [<NewJob query={query} key={JSON.stringify(query)} />, "jobs"];
  if (section === "jobs" && numeric && part === "live")
    return [<LivePage id={Number(id)} query={query} key={id} />, "games"];
  if (section === "jobs" && numeric && !part) return [<JobPage id={Number(id)} key={id} />, "jobs"];
  if (section === "games" && !id) return [<Games query={query} />, "games"];
  if (section === "games" && numeric && !part) return [<GamePage id={Number(id)} key={id} />, "games"];
  if (section === "datasets" && !id) return [<Datasets />, "datasets"];
  if (section === "workers" && !id) return [<Workers />, "workers"];
  if (section === "tokens" && !id) return [<Tokens />, "tokens"];
  return [<NotFound />, ""];
}

function Unreachable({ problem }) {
  useEffect(() => {
    const timer = setInterval(checkSession, 3000);
    return () => clearInterval(timer);
  }, []);
  return (
    <main class="centre" id="main">
      <Empty title="The coordinator does not answer" icon="plug" level={1}>
        <p>
          {problem?.offline ? "Is tengen-server running? This page tries again every few seconds." : problem?.message}
        </p>
        <button class="button" onClick={checkSession}>
          Try now
        </button>
      </Empty>
    </main>
  );
}

/** Moves the focus to the new page's content, as a browser does on a real navigation. */
function useFocusOnNavigation(path) {
  const first = useRef(true);
  useEffect(() => {
    if (first.current) {
      first.current = false;
      return;
    }
    scrollTo(0, 0);
    document.getElementById("main")?.focus({ preventScroll: true });
  }, [path]);
}

export function App() {
  const who = useStore(session);
  const where = useStore(route);
  useFocusOnNavigation(where.parts.join("/"));
  if (who.state === "unknown") return <div class="booting" aria-busy="true" />;
  if (who.state === "unreachable") return <Unreachable problem={who.problem} />;
  if (who.state === "out") return <SignIn problem={who.problem} />;
  const [page, section] = pageFor(where);
  const skip = (event) => {
    event.preventDefault();
    document.getElementById("main").focus();
  };
  return (
    <div class="frame">
      <a class="skip" href="#main" onClick={skip}>
        Skip to the content
      </a>
      <TopBar />
      <Sidebar section={section} />
      <main id="main" class="main" tabIndex={-1}>
        <ConnectionNotice />
        {page}
      </main>
      <TabBar section={section} />
      <Toasts />
    </div>
  );
}
