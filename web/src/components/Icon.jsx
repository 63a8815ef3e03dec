// Icon.jsx - the few pictures of the dashboard, as strokes on a 24x24 grid.

const PATHS = {
  overview: "M4 13h6V4H4zM14 20h6v-9h-6zM4 20h6v-3H4zM14 7h6V4h-6z",
  jobs: "M5 6h14M5 12h14M5 18h8",
  games: "M4 8h16M4 16h16M8 4v16M16 4v16",
  datasets:
    "M4 6.5c0-1.4 3.6-2.5 8-2.5s8 1.1 8 2.5S16.4 9 12 9 4 7.9 4 6.5zM4 6.5v11C4 18.9 7.6 20 12 20s8-1.1 8-2.5v-11M4 12c0 1.4 3.6 2.5 8 2.5s8-1.1 8-2.5",
  workers: "M5 5h14v6H5zM5 15h14v4H5zM8.5 8h.01M8.5 17h.01",
  tokens: "M14.5 9.5a4 4 0 1 0-3.9 5L12 16h2v2h2v2h4v-3.5l-5.6-5.6M9 9h.01",
  plus: "M12 5v14M5 12h14",
  copy: "M9 9h11v11H9zM15 9V4H4v11h5",
  check: "M5 12.5l4.5 4.5L19 7.5",
  download: "M12 4v11M7 11l5 5 5-5M5 20h14",
  first: "M18 6l-7 6 7 6zM6.5 6v12",
  previous: "M15.5 6l-7 6 7 6z",
  next: "M8.5 6l7 6-7 6z",
  last: "M6 6l7 6-7 6zM17.5 6v12",
  play: "M8 5l11 7-11 7z",
  pause: "M8 5v14M16 5v14",
  sun: "M12 8a4 4 0 1 0 0 8 4 4 0 0 0 0-8zM12 2.5v2M12 19.5v2M2.5 12h2M19.5 12h2M5.3 5.3l1.4 1.4M17.3 17.3l1.4 1.4M18.7 5.3l-1.4 1.4M6.7 17.3l-1.4 1.4",
  moon: "M20 14.5A8.5 8.5 0 0 1 9.5 4 8.5 8.5 0 1 0 20 14.5z",
  auto: "M12 3.5a8.5 8.5 0 1 0 0 17 8.5 8.5 0 0 0 0-17zM12 3.5v17",
  search: "M10.5 4a6.5 6.5 0 1 0 0 13 6.5 6.5 0 0 0 0-13zM15.5 15.5L20 20",
  plug: "M9 3v5M15 3v5M6 8h12v3a6 6 0 0 1-12 0zM12 17v4",
  close: "M6 6l12 12M18 6L6 18",
  warning: "M12 4l9 16H3zM12 10v4M12 17h.01",
  out: "M10 4H5v16h5M9 12h11M16 8l4 4-4 4",
  trash: "M4.5 7h15M9.5 7V4.5h5V7M6.5 7l1 13h9l1-13M10.2 11v5.5M13.8 11v5.5",
  arrow: "M5 12h14M13 6l6 6-6 6",
};

const FILLED = new Set(["first", "previous", "next", "last", "play"]);

export function Icon({ name, size = 18 }) {
  return (
    <svg
      class={`icon${FILLED.has(name) ? " icon-filled" : ""}`}
      width={size}
      height={size}
      viewBox="0 0 24 24"
      aria-hidden="true"
      focusable="false"
    >
      <path d={PATHS[name]} />
    </svg>
  );
}

export function Logo({ size = 28 }) {
  return (
    <svg class="logo" width={size} height={size} viewBox="0 0 32 32" aria-hidden="true" focusable="false">
      <rect width="32" height="32" rx="7" class="logo-board" />
      <path d="M6 16h20M16 6v20M6 8.5h20M6 23.5h20M8.5 6v20M23.5 6v20" class="logo-lines" />
      <circle cx="16" cy="16" r="5.6" class="logo-stone" />
      <circle cx="14.2" cy="14" r="1.7" class="logo-shine" />
    </svg>
  );
}
