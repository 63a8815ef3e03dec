// browser.mjs - Debian's chromium, and pages that notice what must never happen: script errors, refused content (CSP),
// and requests to any other host.

import { mkdir, readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";
import { equal, PATIENCE_MS, same, until } from "./tap.mjs";

const ROOT = path.join(path.dirname(fileURLToPath(import.meta.url)), "..", "..");
export const SCREENSHOTS = path.join(ROOT, "build", "screenshots");
const AXE = createRequire(import.meta.url).resolve("axe-core/axe.min.js");
const FLAGS = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-dev-shm-usage", // a container's /dev/shm is small, and a page that does not fit crashes
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

export const launch = () =>
  chromium.launch({ executablePath: "/usr/bin/chromium", args: FLAGS, headless: true, timeout: PATIENCE_MS });

const SIZES = {
  desk: { viewport: { width: 1280, height: 860 } },
  phone: { viewport: { width: 360, height: 740 }, isMobile: true, hasTouch: true },
};

/** Lines that the browser prints about answers with an error status, which some tests ask for on purpose. */
const EXPECTED = /Failed to load resource/;

/** Opens `url`; the page's `faults` collects what went wrong on it. With `clock` its time can be put forward. */
export async function open(browser, url, { scheme = "light", size = "desk", clock = false } = {}) {
  const context = await browser.newContext({
    ...SIZES[size],
    colorScheme: scheme,
    reducedMotion: "reduce",
    locale: "en-GB",
  });
  context.setDefaultTimeout(PATIENCE_MS);
  const page = await context.newPage();
  if (clock) await page.clock.install();
  page.faults = [];
  page.on("pageerror", (error) => page.faults.push(`script error: ${error.message}`));
  page.on("console", (message) => {
    if (message.type() === "error" && !EXPECTED.test(message.text())) page.faults.push(`console: ${message.text()}`);
  });
  page.on("request", (request) => {
    if (new URL(request.url()).host !== new URL(url).host)
      page.faults.push(`request to another host: ${request.url()}`);
  });
  await page.goto(url);
  return page;
}

/** Adds to an error where the page was and what it said, for whoever reads the log of another machine. */
export async function explained(page, error) {
  const shown = await page
    .evaluate(() => document.querySelector("main").innerText)
    .catch((reason) => `(${reason.message})`);
  error.stack = `${error.stack}\nThe page: ${page.url()}\n${shown.replace(/\s*\n\s*/g, "\n").slice(0, 1500)}`;
  return error;
}

/** Runs body(page) on a page of its own, and fails if the page saw any fault. */
export async function withPage(browser, url, options, body) {
  const page = await open(browser, url, options);
  try {
    await body(page);
    same(page.faults, [], "faults on the page");
  } catch (error) {
    throw await explained(page, error);
  } finally {
    await page.context().close();
  }
}

/** Waits until the page's data are there and its boards and charts are drawn. */
export async function settled(page) {
  await page.locator("main h1").waitFor();
  await until(
    () =>
      page.evaluate(() => {
        const all = (selector) => [...document.querySelectorAll(`main ${selector}`)];
        const drawn = (selector, part) => all(selector).every((place) => place.querySelector(part));
        return !all(".skeleton").length && drawn(".board", ".shudan-goban") && drawn(".chart-place", "canvas");
      }),
    "everything is drawn",
  );
  await page.evaluate(() => document.fonts.ready);
  await page.evaluate(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))));
}

export async function screenshot(page, name) {
  await mkdir(SCREENSHOTS, { recursive: true });
  await page.screenshot({ path: path.join(SCREENSHOTS, `${name}.png`) });
}

/** What axe-core finds that is serious or critical, as readable lines. It is run as a
 * debugger would run it: the CSP forbids it otherwise. */
export async function violations(page) {
  const session = await page.context().newCDPSession(page);
  await session.send("Runtime.evaluate", { expression: await readFile(AXE, "utf8") });
  const found = await page.evaluate(async () => (await axe.run(document, { resultTypes: ["violations"] })).violations);
  return found
    .filter(({ impact }) => impact === "serious" || impact === "critical")
    .flatMap(({ id, nodes }) => nodes.map((node) => `${id}: ${node.target.join(" ")}: ${node.failureSummary}`));
}

/** Nothing may be wider than the window, nor be cut off at its edge; boxes that scroll by themselves may. */
export async function noHorizontalScroll(page, what) {
  const { width } = page.viewportSize();
  equal(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), true, `${what} does not scroll`);
  const cut = await page.evaluate((limit) => {
    const outside = [...document.querySelectorAll("body *")].filter((element) => {
      const box = element.getBoundingClientRect();
      return box.width > 1 && box.right > limit + 1 && !element.closest(".log, .move-list, .scroll-x, .skip");
    });
    return outside.map((element) => `${element.tagName} ${element.className} ${element.textContent.slice(0, 40)}`);
  }, width);
  same(cut, [], `${what}: what reaches beyond ${width} pixels`);
}

/** Hides or shows the tab as far as the page can tell: a headless browser's tabs are always visible. */
export function setHidden(page, hidden) {
  return page.evaluate((value) => {
    Object.defineProperty(document, "hidden", { value, configurable: true });
    Object.defineProperty(document, "visibilityState", { value: value ? "hidden" : "visible", configurable: true });
    document.dispatchEvent(new Event("visibilitychange"));
  }, hidden);
}
