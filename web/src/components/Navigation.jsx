// Navigation.jsx - a column beside wide pages; a bar above and one below on a phone.

import { ConnectionDot } from "./Connection.jsx";
import { Icon, Logo } from "./Icon.jsx";
import { chooseTheme, theme, THEMES } from "../lib/theme.js";
import { isSignedIn, session, signOut } from "../lib/session.js";
import { useStore } from "../lib/store.js";

const SECTIONS = [
  ["overview", "Overview", "#/"],
  ["jobs", "Jobs", "#/jobs"],
  ["games", "Games", "#/games"],
  ["datasets", "Data sets", "#/datasets"],
  ["workers", "Workers", "#/workers"],
  ["tokens", "Tokens", "#/tokens"],
];

const THEME_ICON = { auto: "auto", light: "sun", dark: "moon" };
const THEME_NAME = { auto: "as the system", light: "light", dark: "dark" };

function ThemeButton() {
  const chosen = useStore(theme);
  const next = THEMES[(THEMES.indexOf(chosen) + 1) % THEMES.length];
  return (
    <button
      class="button quiet icon-only"
      onClick={() => chooseTheme(next)}
      title={`Colours: ${THEME_NAME[chosen]}`}
      aria-label={`Colours: ${THEME_NAME[chosen]}. Change to ${THEME_NAME[next]}`}
    >
      <Icon name={THEME_ICON[chosen]} />
    </button>
  );
}

function SignOutButton() {
  useStore(session);
  if (!isSignedIn()) return null;
  return (
    <button class="button quiet icon-only" onClick={signOut} title="Sign out" aria-label="Sign out">
      <Icon name="out" />
    </button>
  );
}

function Links({ section, iconSize }) {
  return SECTIONS.map(([id, title, link]) => (
    <a href={link} key={id} aria-current={section === id ? "page" : undefined}>
      <Icon name={id} size={iconSize} />
      <span>{title}</span>
    </a>
  ));
}

function Who() {
  const who = useStore(session);
  return (
    <p class="who">
      <span>{who.name || who.role}</span>
      {who.version && <span class="muted">v{who.version}</span>}
    </p>
  );
}

export function Sidebar({ section }) {
  return (
    <header class="sidebar">
      <a class="brand" href="#/">
        <Logo />
        <span>Tengen</span>
      </a>
      <nav aria-label="Pages" class="side-links">
        <Links section={section} iconSize={18} />
      </nav>
      <div class="side-foot">
        <ConnectionDot />
        <Who />
        <div class="row gap-1">
          <ThemeButton />
          <SignOutButton />
        </div>
      </div>
    </header>
  );
}

export function TopBar() {
  return (
    <div class="topbar">
      <a class="brand" href="#/">
        <Logo size={24} />
        <span>Tengen</span>
      </a>
      <div class="row gap-1">
        <ConnectionDot />
        <ThemeButton />
        <SignOutButton />
      </div>
    </div>
  );
}

export function TabBar({ section }) {
  return (
    <nav class="tabbar" aria-label="Pages">
      <Links section={section} iconSize={20} />
    </nav>
  );
}
