// test_mock.mjs - the dashboard against the pretended coordinator: every page, and what a real one cannot be asked for.

import { noHorizontalScroll, open, screenshot, setHidden, settled, violations, withPage } from "./browser.mjs";
import { startMock } from "./mock/server.mjs";
import { becomes, equal, match, matches, ok, same, test, until } from "./tap.mjs";

const text = (page, selector) => page.locator(selector).first().innerText();
const countOf = (page, selector) => page.locator(selector).count();
const stonesOn = (page, scope = "") =>
  countOf(page, `${scope} .shudan-vertex.shudan-sign_1, ${scope} .shudan-vertex.shudan-sign_-1`);

/** How many pixels of a chart have the colour of this name. */
const pixelsOf = (canvas, name) =>
  canvas.evaluate((element, variable) => {
    const hex = getComputedStyle(document.documentElement).getPropertyValue(variable).trim().slice(1);
    const line = [0, 2, 4].map((at) => Number.parseInt(hex.slice(at, at + 2), 16));
    const { data } = element.getContext("2d").getImageData(0, 0, element.width, element.height);
    let pixels = 0;
    for (let i = 0; i < data.length; i += 4) {
      if (data[i + 3] > 200 && line.every((value, at) => Math.abs(data[i + at] - value) < 24)) pixels += 1;
    }
    return pixels;
  }, name);

/** A test on a fresh page of a fresh mock. */
function mockTest(browser, name, hash, body, { mock: mockOptions = {}, ...pageOptions } = {}) {
  return test(`mock: ${name}`, async () => {
    const mock = await startMock(mockOptions);
    try {
      await withPage(browser, `${mock.url}/${hash}`, pageOptions, (page) => body(page, mock));
    } finally {
      await mock.close();
    }
  });
}

async function overviewTests(browser) {
  await mockTest(
    browser,
    "the overview shows jobs, workers, games and a live board that moves",
    "#/",
    async (page, mock) => {
      await page.getByRole("heading", { name: "Overview" }).waitFor();
      await matches(() => text(page, ".area-jobs"), /first games[\s\S]*no worker offers engine:katago/, "jobs");
      await matches(() => text(page, ".area-workers"), /kitchen-pc[\s\S]*laptop-anna/, "workers");
      await becomes(() => countOf(page, ".area-games tbody tr"), 8, "latest games");
      await page.locator(".live-card a.live-board .shudan-goban").waitFor();
      const before = await text(page, ".live-caption");
      await until(() => mock.hears("live:4"), "the topic of the newest job's games");
      mock.world.tick();
      await until(async () => (await text(page, ".live-caption")) !== before, "the next move");
      await becomes(() => text(page, ".sidebar .connection"), "Live", "state of the connection");
    },
  );
  await mockTest(browser, "the overview tells what ended and who joined, as it happens", "#/", async (page, mock) => {
    await matches(
      () => text(page, ".activity"),
      /uct against pachi has failed[\s\S]*GNU Go openings is done[\s\S]*kitchen-pc joined/,
      "what was before",
    );
    await until(() => mock.hears(), "a stream");
    const job = mock.world.jobs.find(({ name }) => name === "first games");
    mock.world.finish(job);
    mock.world.emit("job", job);
    await matches(() => text(page, ".activity li"), /^first games is done/, "a job that ended");
    const cellar = { ...mock.world.addWorker("cellar", "online", 1, {}, []), created_ms: Date.now() };
    mock.world.emit("worker", cellar);
    await matches(() => text(page, ".activity li"), /^cellar joined/, "a worker that joined");
    mock.world.emit("worker", { ...cellar, online: false, state: "offline" });
    await matches(() => text(page, ".activity li"), /^cellar has left/, "a worker that left");
    await page.locator(".activity").getByRole("link", { name: "first games is done" }).click();
    await page.getByRole("heading", { name: "first games" }).waitFor();
  });
  await mockTest(browser, "nothing jumps while the overview loads", "#/", async (page) => {
    await page.locator(".live-card a.live-board .shudan-goban").waitFor();
    const shift = await page.evaluate(
      () =>
        new Promise((resolve) => {
          let sum = 0;
          new PerformanceObserver((list) => list.getEntries().forEach((entry) => (sum += entry.value))).observe({
            type: "layout-shift",
            buffered: true,
          });
          // What was buffered is handed over before the page is next idle.
          requestAnimationFrame(() => requestIdleCallback(() => setTimeout(() => resolve(sum))));
        }),
    );
    ok(shift < 0.1, `cumulative layout shift below 0.1, got ${shift}`);
  });
  await mockTest(
    browser,
    "an unused coordinator says what to do next on every page",
    "#/",
    async (page, mock) => {
      const expected = {
        "": "Submit a job",
        jobs: "Submit the first one",
        games: "Submit a job that plays games",
        workers: "tengen work",
        datasets: "There are no data sets yet",
        tokens: "Create an admin token first",
      };
      for (const [hash, words] of Object.entries(expected)) {
        await page.goto(`${mock.url}/#/${hash}`);
        await page.locator("main").getByText(words).first().waitFor();
      }
      await page.goto(`${mock.url}/#/nowhere/at/all`);
      await page.getByRole("heading", { level: 1, name: "There is no such page" }).waitFor();
    },
    { mock: { empty: true } },
  );
}

async function connectionTests(browser) {
  await mockTest(
    browser,
    "a hidden tab holds no stream, and is fresh when it returns",
    "#/jobs",
    async (page, mock) => {
      await page.locator(".job-table").waitFor(); // the stream may be open before the list has come
      await until(() => mock.streams.size === 1, "one stream");
      await setHidden(page, true);
      await until(() => mock.streams.size === 0, "no stream while hidden");
      const opened = mock.opened;
      const job = mock.world.addJob({ kind: "selfplay", name: "while you were away" });
      await page.clock.fastForward(10 * 60000); // whatever the page has put off for ten minutes happens now
      await page.evaluate(() => fetch("/api/v1/whoami").then((answer) => answer.text()));
      equal(mock.opened, opened, "streams opened while hidden");
      equal(await page.getByText(job.name).count(), 0, "rows of a job that came while hidden");
      await setHidden(page, false);
      await page.getByText(job.name).waitFor();
      await until(() => mock.streams.size === 1, "one stream again");
    },
    { clock: true },
  );
  await mockTest(
    browser,
    "a lost line is said quietly, polled around, and forgotten when it is back",
    "#/jobs",
    async (page, mock) => {
      await page.locator(".job-table").waitFor();
      await until(() => mock.streams.size === 1, "a stream");
      mock.noEvents = true;
      mock.dropStreams();
      await page.locator(".sidebar .connection-retrying").waitFor();
      await page.getByText("The live line to the coordinator is down").waitFor();
      await becomes(() => countOf(page, ".job-table tbody tr"), 7, "rows that stay on the page");
      mock.world.addJob({ kind: "match", name: "seen by asking" });
      await page.getByText("seen by asking").waitFor();
      mock.noEvents = false;
      await page.getByRole("button", { name: "Try now" }).click();
      await page.locator(".sidebar .connection-live").waitFor();
      await page.getByText("The live line to the coordinator is down").waitFor({ state: "hidden" });
    },
  );
  await mockTest(browser, "the stream resumes after the last event that was seen", "#/jobs", async (page, mock) => {
    await page.locator(".job-table").waitFor();
    await until(() => mock.streams.size === 1, "a stream");
    mock.submit(null, { kind: "selfplay", name: "heard of" });
    await page.getByText("heard of").waitFor();
    const known = mock.eventId;
    const request = page.waitForRequest((one) => one.url().includes("/events"));
    mock.dropStreams();
    mock.submit(null, { kind: "selfplay", name: "missed" });
    const last = Number((await request).headers()["last-event-id"]);
    ok(last > 0 && last <= known, `Last-Event-ID up to ${known}, got ${last}`);
    await page.getByText("missed").waitFor();
  });
  await test("mock: nothing falls between what is loaded and the stream, on the first page and on the next", async () => {
    const mock = await startMock();
    const report = (step) => {
      mock.world.reports.set(7, [{ name: "summary", step, time_ms: Date.now(), data: { step_of_report: step } }]);
      mock.world.emit("report", { job: 7, name: "summary", step }, "job:7");
    };
    /** Goes to the job's page and has its report change between what it would load at once and its stream. */
    const passBy = async (step, go) => {
      let release;
      const asked = mock.asked;
      mock.streamsHeld = new Promise((resolve) => (release = resolve));
      const gone = go();
      await until(() => mock.asked > asked, "the page asks for its stream");
      await new Promise((resolve) => setTimeout(resolve, 500)); // a page that does not wait loads meanwhile
      report(step);
      release();
      mock.streamsHeld = null;
      return gone;
    };
    const shows = (page, step) =>
      matches(() => text(page, '[data-report="summary"]'), new RegExp(`step of report\\s+${step}`, "i"), "the report");
    const first = await passBy(31, () => open(browser, `${mock.url}/#/jobs/7`));
    await shows(first, 31);
    await first.context().close();
    await withPage(browser, `${mock.url}/#/jobs`, {}, async (page) => {
      await page.locator(".sidebar .connection-live").waitFor();
      await page.locator(".job-table").waitFor();
      await passBy(32, () => page.goto(`${mock.url}/#/jobs/7`));
      await shows(page, 32);
    });
    await mock.close();
  });
  await mockTest(
    browser,
    "an error keeps what was loaded, and can be tried again",
    "#/jobs/999",
    async (page, mock) => {
      await page.getByText("It is not here (any more).").waitFor();
      await page.goto(`${mock.url}/#/workers`);
      await page.getByRole("heading", { name: "kitchen-pc" }).waitFor();
      mock.broken = true;
      await page.getByRole("button", { name: "Drain kitchen-pc" }).click();
      await page.locator(".toast-bad").getByText("the coordinator is starting").waitFor();
      mock.broken = false;
    },
  );
  await test("mock: a coordinator that is down is said so, and found when it is back", async () => {
    const mock = await startMock();
    mock.broken = true;
    await withPage(browser, `${mock.url}/#/`, {}, async (page) => {
      await page.getByText("The coordinator does not answer").waitFor();
      mock.broken = false;
      await page.getByRole("heading", { name: "Overview" }).waitFor();
    });
    await mock.close();
  });
}

async function signInTests(browser) {
  const token = "tg_secret";
  const body = async (page) => {
    await page.getByLabel("Token").fill("tg_wrong");
    await page.getByRole("button", { name: "Sign in" }).click();
    await page.getByText("this token is not known here").waitFor();
    same(await violations(page), [], "violations on the sign-in page");
    await screenshot(page, "sign-in");
    await page.getByLabel("Token").fill(token);
    await page.getByRole("button", { name: "Sign in" }).click();
    await page.getByRole("heading", { name: "Overview" }).waitFor();
    const cookies = await page.context().cookies();
    ok(
      cookies.every((cookie) => cookie.httpOnly),
      "scripts cannot read the session's cookie",
    );
    const kept = await page.evaluate(() => JSON.stringify({ ...localStorage, ...sessionStorage }));
    ok(!kept.includes(token), "the token is kept nowhere in the page");
  };
  await mockTest(browser, "asks for a token, refuses a wrong one, keeps a right one only as a cookie", "#/", body, {
    mock: { token },
  });
  await mockTest(
    browser,
    "an address that ends in #token= signs in and forgets it",
    `#token=${token}`,
    async (page) => {
      await page.getByRole("heading", { name: "Overview" }).waitFor();
      equal(new URL(page.url()).hash, "#/", "address");
    },
    { mock: { token } },
  );
  await mockTest(
    browser,
    "such an address also signs in a tab that asks for a token already",
    "#/",
    async (page) => {
      await page.getByRole("button", { name: "Sign in" }).waitFor();
      await page.evaluate((address) => (location.hash = address), `#token=${token}`);
      await page.getByRole("heading", { name: "Overview" }).waitFor();
      equal(new URL(page.url()).hash, "#/", "address");
    },
    { mock: { token } },
  );
}

async function formTests(browser) {
  const field = (page, path) => page.locator(`[data-field="${path}"]`);
  await mockTest(
    browser,
    "the form is made from the kinds, and problems stand at their field",
    "#/jobs/new?kind=match",
    async (page) => {
      await field(page, "config.a.playouts").locator("input").fill("99999999");
      await page.getByRole("button", { name: "Submit job" }).click();
      const wrong = field(page, "config.a.playouts").locator(".problem");
      await wrong.waitFor();
      match(await wrong.innerText(), /must be 1 to 10000000/, "problem");
      await becomes(() => page.evaluate(() => document.activeElement.name), "config.a.playouts", "focused field");
      equal(
        await field(page, "config.a.playouts").locator("input").getAttribute("aria-invalid"),
        "true",
        "aria-invalid",
      );
      await screenshot(page, "form-problem");
      await field(page, "config.a.playouts").locator("input").fill("many");
      await page.getByRole("button", { name: "Submit job" }).click();
      await wrong.getByText("must be a number").waitFor();
      await field(page, "config.a.playouts").locator("input").fill("200");
      await field(page, "name").locator("input").fill("from the form");
      await field(page, "config.sprt.enabled").locator("input").check();
      await field(page, "config.rules").locator("select").selectOption("tromp-taylor");
      await page.getByRole("button", { name: "Submit job" }).click();
      await page.getByRole("heading", { name: "from the form" }).waitFor();
      await page.getByRole("tab", { name: "Configuration" }).click();
      match(
        (await text(page, ".panel")).replace(/\s+/g, " "),
        /rules tromp-taylor.*a\.playouts 200.*b\.playouts 1000.*sprt\.enabled true/,
        "config",
      );
    },
  );
  await mockTest(
    browser,
    "a player's form has the options of its type",
    "#/jobs/new?kind=selfplay",
    async (page, mock) => {
      const shown = async () => {
        const fields = page.locator('[data-field^="config.player."]');
        return (await fields.evaluateAll((all) => all.map((one) => one.dataset.field.split(".").at(-1)))).join(" ");
      };
      const type = field(page, "config.player.type").locator("select");
      await becomes(shown, "type playouts seconds resign", "options of uct");
      await type.selectOption("puct");
      await becomes(shown, "type playouts c_puct seconds resign", "options of puct");
      await page.getByText("PUCT constant").waitFor();
      await field(page, "config.player.c_puct").locator("input").fill("2");
      await type.selectOption("engine");
      await becomes(shown, "type engine seconds resign", "options of an engine");
      await field(page, "config.player.engine").locator("input").fill("gnugo");
      const before = mock.world.jobs.length;
      await page.getByRole("button", { name: "Submit job" }).click();
      await until(() => mock.world.jobs.length > before, "the job");
      const { player } = mock.world.jobs[0].config;
      same([player.type, player.engine, player.c_puct], ["engine", "gnugo", 1.25], "what was sent, and a default");
    },
  );
  await mockTest(
    browser,
    "a network's form has the options of its family",
    "#/jobs/new?kind=classify",
    async (page, mock) => {
      const shown = async () => {
        const fields = page.locator('[data-field^="config.network."]');
        return (await fields.evaluateAll((all) => all.map((one) => one.dataset.field.split(".").at(-1)))).join(" ");
      };
      const family = field(page, "config.network.family").locator("select");
      await becomes(shown, "family stages form hidden", "options of a ResNet");
      await field(page, "config.network.form").getByText("default").waitFor({ state: "attached" });
      await field(page, "config.network.stages").locator("input").fill("16x2 / 32x2");
      await family.selectOption("densenet");
      await becomes(shown, "family growth hidden", "options of a DenseNet");
      await field(page, "config.network.growth").locator("input").fill("12");
      await page.locator('[data-field="inputs.data"] select').selectOption({ label: "fashion-mnist (#1, idx)" });
      const before = mock.world.jobs.length;
      await page.getByRole("button", { name: "Submit job" }).click();
      await until(() => mock.world.jobs.length > before, "the job");
      const { network } = mock.world.jobs[0].config;
      same([network.family, network.stages, network.growth], ["densenet", "", 12], "what was sent");
    },
  );
  await mockTest(
    browser,
    "JSON mode takes over the form, says what is wrong, and takes sets of jobs",
    "#/jobs/new",
    async (page) => {
      await field(page, "config.games").locator("input").fill("24");
      await page.getByRole("button", { name: "JSON", exact: true }).click();
      const area = page.getByLabel("JSON", { exact: true });
      same(JSON.parse(await area.inputValue()), { kind: "selfplay", config: { games: 24 } }, "document");
      await area.fill("{");
      await page.getByRole("button", { name: "Submit job" }).click();
      await page.getByText("Not valid JSON").waitFor();
      await area.fill(JSON.stringify({ kind: "selfplay", config: { gamse: 1 } }));
      await page.getByRole("button", { name: "Submit job" }).click();
      await page.getByText("there is no option gamse").waitFor();
      await area.fill(
        JSON.stringify({
          jobs: [
            { local: "a", kind: "teacher", name: "set one" },
            { kind: "selfplay", name: "set two" },
          ],
        }),
      );
      await page.getByRole("button", { name: "Submit job" }).click();
      await page.locator(".job-table").getByText("set two").waitFor();
    },
  );
  await mockTest(
    browser,
    "a preset fills the form, and an old job can be submitted again",
    "#/jobs/new",
    async (page, mock) => {
      await page.getByLabel("Preset").selectOption("selfplay-9x9");
      await matches(() => field(page, "name").locator("input").inputValue(), /./, "the preset's name in the form");
      await page.goto(`${mock.url}/#/jobs/4`);
      await page.getByRole("link", { name: "Submit again" }).click();
      await until(
        async () => (await field(page, "name").locator("input").inputValue()) === "1000 against 400 playouts",
        "the old name",
      );
      equal(await field(page, "config.b.playouts").locator("input").inputValue(), "400", "the old option");
    },
  );
}

async function jobTests(browser) {
  await mockTest(browser, "a job's page: progress, score, charts, log, tasks, games", "#/jobs/4", async (page) => {
    await page.locator(".score-elo").waitFor();
    await matches(() => text(page, ".score-elo"), /Elo\s*95 % between/, "score");
    await matches(() => text(page, ".sprt"), /Sequential test[\s\S]*LLR/, "sequential test");
    await until(async () => (await countOf(page, ".chart canvas")) === 3, "throughput and two metrics");
    const line = page.locator(".chart canvas").first();
    await until(async () => (await pixelsOf(line, "--chart-1")) > 200, "pixels of the line's colour in the chart");
    await page.locator(".panel .game-table tbody tr").first().waitFor(); // what the job makes comes first
    await page.getByRole("tab", { name: "Games" }).press("ArrowRight");
    await becomes(
      () => page.getByRole("tab", { name: "Tasks" }).getAttribute("aria-selected"),
      "true",
      "tab chosen by the arrow key",
    );
    await page.getByLabel("Show").selectOption("done");
    await page.locator(".task-table tbody tr").first().waitFor();
    await page.getByRole("tab", { name: "Log" }).click();
    await until(async () => (await countOf(page, ".log-line")) > 5, "log lines");
    const unit = /games\/(s|min|h)/;
    const now = unit.exec(await text(page, ".stat-row"))?.[1] ?? "no rate";
    const mean = /games\/(s|min|h) on average/.exec(await text(page, ".charts"))?.[1];
    equal(now, mean, "one time base for the rate now and on average");
  });
  await mockTest(browser, "the log and the metrics grow while one looks", "#/jobs/3", async (page, mock) => {
    await page.getByRole("tab", { name: "Log" }).click();
    await page.locator(".log-line").first().waitFor();
    const job = mock.world.jobs.find(({ id }) => id === 3);
    await until(() => mock.hears("job:3"), "the topic of this job");
    mock.world.emit("log", { job: 3, items: [mock.world.log(job, "warning", "a line that came just now")] }, "job:3");
    await page.locator(".log-warning").getByText("a line that came just now").waitFor();
  });
  await mockTest(browser, "a failed job says once why", "#/jobs/2", async (page) => {
    await page.locator(".notice-bad").getByText("pachi ended with signal 11").waitFor();
    equal(await page.getByText("pachi ended with signal 11").count(), 1, "places that say it");
  });
  await mockTest(browser, "a job whose work is done but not stored is ending", "#/jobs/7", async (page, mock) => {
    const job = mock.world.jobs.find(({ id }) => id === 7);
    await page.locator(".job-progress").waitFor();
    await until(() => mock.hears("job:7"), "the topic of this job");
    mock.world.emit("job", Object.assign(job, { progress: 0.9998, eta_s: 0.2 }));
    await matches(() => text(page, ".stat-row"), /Time left\s*ending/, "time left");
    await matches(() => text(page, ".job-progress"), /99\.9 %/, "progress");
    await page.goto(`${mock.url}/#/`);
    await matches(() => text(page, ".active-jobs"), /vgg on fashion[\s\S]*?99\.9 %[\s\S]*?ending/, "the overview");
    await page.goto(`${mock.url}/#/jobs`);
    await matches(() => text(page, ".job-table"), /vgg on fashion[\s\S]*?99\.9 %\s+–\s+ending/, "the list");
  });
  await mockTest(browser, "pause, resume, and cancel after a question", "#/jobs/3", async (page) => {
    await page.getByRole("button", { name: "Pause" }).click();
    await page.getByRole("button", { name: "Resume" }).click();
    await page.getByRole("button", { name: "Cancel" }).click();
    const dialog = page.getByRole("dialog");
    await dialog.waitFor();
    same(await violations(page), [], "violations with the dialog open");
    await page.keyboard.press("Escape");
    await dialog.waitFor({ state: "hidden" });
    await page.getByRole("button", { name: "Cancel" }).click();
    await dialog.getByRole("button", { name: "Cancel the job" }).click();
    await page.locator(".state-cancelled").first().waitFor();
    await page.getByRole("button", { name: "Pause" }).waitFor({ state: "detached" });
  });
  await mockTest(browser, "jobs are filtered by state and kind, in the address too", "#/jobs", async (page) => {
    await page.getByLabel("State").selectOption("failed");
    await until(async () => (await countOf(page, ".job-table tbody tr")) === 1, "one failed job");
    match(page.url(), /state=failed/, "address");
    await page.getByLabel("Kind").selectOption("teacher");
    await page.getByText("No job fits the filter").waitFor();
    await page.getByRole("button", { name: "Show all" }).click();
    await until(async () => (await countOf(page, ".job-table tbody tr")) === 7, "all jobs");
  });
}

const LUMINANCE = `(text) => {
  // Any CSS colour to its relative luminance (WCAG 2), by drawing it.
  const context = new OffscreenCanvas(1, 1).getContext("2d");
  context.fillStyle = text;
  context.fillRect(0, 0, 1, 1);
  const [r, g, b] = [...context.getImageData(0, 0, 1, 1).data].map((byte) => {
    const share = byte / 255;
    return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}`;

/** The lowest contrast of a number with its cell. */
const lowestContrast = (page) =>
  page.locator(".confusion .cell").evaluateAll((cells, source) => {
    const luminance = (0, eval)(source);
    const contrasts = cells.map((cell) => {
      const { color, backgroundColor } = getComputedStyle(cell);
      const [low, high] = [luminance(color), luminance(backgroundColor)].sort((a, b) => a - b);
      return (high + 0.05) / (low + 0.05);
    });
    return Math.min(...contrasts);
  }, LUMINANCE);

const chart = (page, title) => page.locator(".chart", { has: page.locator(".chart-title", { hasText: title }) });

async function trainingTests(browser) {
  await mockTest(
    browser,
    "curves: several lines a chart, a logarithmic scale, another job beside",
    "#/jobs/6",
    async (page) => {
      const loss = chart(page, /^Loss$/);
      await loss.locator("canvas").waitFor();
      const titles = await page.locator(".chart-title").allInnerTexts();
      same(titles, ["Loss", "Accuracy", "Learning rate", "Samples per second"], "charts");
      await matches(() => loss.locator(".legend").innerText(), /training[\s\S]*validation[\s\S]*best 0\.\d+/, "legend");
      await matches(
        () => loss.locator(".chart-place").getAttribute("aria-label"),
        /training: 160 values from .* validation: 16 values/,
        "what is spoken",
      );
      match(await chart(page, "Accuracy").locator(".legend").innerText(), /9\d\.\d %/, "shares read as per cent");
      for (const colour of ["--chart-1", "--chart-2"])
        await until(async () => (await pixelsOf(loss.locator("canvas"), colour)) > 100, `a line in ${colour}`);
      const log = loss.getByRole("button", { name: "log scale" });
      equal(await log.getAttribute("aria-pressed"), "false", "a loss begins linear");
      const rate = chart(page, "Learning rate").getByRole("button", { name: "log scale" });
      equal(await rate.getAttribute("aria-pressed"), "true", "a learning rate begins logarithmic");
      await log.click();
      await becomes(() => log.getAttribute("aria-pressed"), "true", "the pressed button");
      await page.getByLabel("Compare with").selectOption({ label: "#7 vgg on fashion" });
      await matches(
        () => loss.locator(".legend").innerText(),
        /#7 training[\s\S]*#7 validation/,
        "the other job's lines",
      );
      await page.getByLabel("Compare with").selectOption({ label: "no other job" });
      await becomes(() => loss.locator(".legend li").count(), 2, "lines of this job alone");
    },
  );
  await mockTest(browser, "a training job: how far it is, and curves that grow", "#/jobs/7", async (page, mock) => {
    await matches(() => text(page, ".stat-row"), /Epoch\s*5\.63[\s\S]*Time left\s*about 20 min/, "facts");
    const bar = page.locator(".job-progress [role=progressbar]");
    await matches(() => bar.getAttribute("aria-valuetext"), /^0 of 1 runs?, 56\.3 %/, "progress");
    await until(() => mock.hears("job:7"), "the topic of this job");
    const items = [{ name: "loss", step: 4550, value: 0.125, time_ms: Date.now() }];
    mock.world.emit("metric", { job: 7, items }, "job:7");
    const job = mock.world.jobs.find(({ id }) => id === 7);
    mock.world.emit("job", Object.assign(job, { progress: 0.75 }));
    await matches(
      () =>
        chart(page, /^Loss$/)
          .locator(".legend")
          .innerText(),
      /training\s*0\.125/,
      "the newest loss",
    );
    await matches(() => text(page, ".job-progress"), /75\.0 %/, "the newest progress");
  });
  await mockTest(
    browser,
    "the confusion matrix is read by eye, by keyboard and by a screen reader",
    "#/jobs/6",
    async (page) => {
      const cell = (i, j) => page.locator(`[data-cell="${i},${j}"]`);
      await cell(0, 0).waitFor();
      await matches(
        () => text(page, ".confusion-card .card-head"),
        /9\d\.\d % of 10,000 images in 10 classes/,
        "summary",
      );
      equal(await cell(6, 0).innerText(), "92", "a number");
      equal(
        await cell(6, 0).getAttribute("aria-label"),
        "shirt: 92 of 1,000 taken for t-shirt (9.2 %)",
        "a mistake, spoken",
      );
      await matches(() => text(page, ".confusion tbody tr:nth-child(7)"), /80\.6 %/, "accuracy of a class");
      await matches(() => text(page, ".mistakes"), /^shirt taken for t-shirt 92/, "the most frequent mistake");
      await cell(0, 0).focus();
      for (const key of ["ArrowDown", "ArrowRight", "ArrowRight", "ArrowUp"]) await page.keyboard.press(key);
      await becomes(() => page.evaluate(() => document.activeElement.dataset.cell), "0,2", "where the arrows lead");
      await matches(
        () => text(page, ".confusion-said"),
        /^t-shirt: 0 of 1,000 taken for pullover/,
        "what is said of it",
      );
      await page.keyboard.press("End");
      await page.keyboard.press("ArrowRight");
      await becomes(() => page.evaluate(() => document.activeElement.dataset.cell), "0,9", "the end of the row");
      equal(await page.locator(".confusion [tabindex='0']").count(), 1, "stops of the Tab key");
      for (const scheme of ["light", "dark"]) {
        await page.emulateMedia({ colorScheme: scheme });
        await until(async () => (await lowestContrast(page)) >= 4.5, `numbers that can be read, ${scheme}`);
      }
    },
  );
  await mockTest(browser, "an evaluation's single values are figures, not charts", "#/jobs", async (page, mock) => {
    const job = mock.world.addJob({ kind: "evaluate", name: "on the test part", inputs: { data: { dataset: 1 } } });
    Object.assign(job, {
      state: "succeeded",
      reason: "",
      started_ms: Date.now() - 9000,
      ended_ms: Date.now(),
      progress: 1,
    });
    const metric = (name, value) => ({ name, step: 8000, value, time_ms: Date.now() });
    mock.world.metrics.set(job.id, [metric("accuracy", 0.9341), metric("loss", 0.19)]);
    await page.goto(`${mock.url}/#/jobs/${job.id}`);
    await matches(() => text(page, ".figures"), /Loss\s*0\.19\s*Accuracy\s*93\.4 %/, "figures");
    equal(await countOf(page, ".chart"), 0, "charts");
    await matches(() => text(page, ".charts-card h2"), /^Metrics$/, "the card's title");
    mock.world.metrics.get(job.id).push({ ...metric("loss", 0.18), step: 9000 });
    await page.reload();
    await chart(page, /^Loss$/)
      .locator("canvas")
      .waitFor();
    await matches(() => text(page, ".figures"), /^Accuracy\s*93\.4 %$/, "what stays a figure");
  });
  await mockTest(browser, "results have names and units, and their intervals beside them", "#/jobs/6", async (page) => {
    const result = () => text(page, '[data-report="summary"]').then((said) => said.replace(/\s+/g, " "));
    await matches(result, /Test accuracy 94\.9 % \(94\.4 to 95\.4\)/, "a share and its interval");
    await matches(result, /Test top-5 accuracy 99\.81 %.*Processor time 38 min.*Ended by its budget/, "other figures");
    ok(!/low|high|cpu/i.test(await result()), "no raw names");
    match(await result(), /In brackets: the 95 % interval\./, "what the brackets are");
  });
  await mockTest(browser, "a match's totals are said in words", "#/jobs/4", async (page, mock) => {
    const job = mock.world.jobs.find(({ id }) => id === 4);
    Object.assign(job.totals, { pairs_4: 12, losses_a: 31, wins_a: 100 });
    await page.reload();
    await matches(() => text(page, ".job-aside"), /Pairs A won 2 to 0\s*12\b/, "pairs");
    await matches(
      () => text(page, ".job-aside"),
      /Losses of A\s*31 23\.7 %\s*Wins of A\s*100 76\.3 %/,
      "wins and losses",
    );
  });
  await mockTest(browser, "only classes that occur are listed, and in the matrix", "#/jobs/6", async (page, mock) => {
    await page.locator(".confusion").waitFor();
    const classes = Array.from({ length: 60 }, (_, i) => String(i));
    const matrix = classes.map(() => classes.map(() => 0));
    [matrix[0][0], matrix[0][59], matrix[59][59]] = [17, 3, 20];
    const reports = mock.world.reports.get(6);
    reports.find(({ name }) => name === "confusion").data = { classes, matrix };
    await page.reload();
    await matches(() => text(page, ".confusion-card .card-head"), /92\.5 % of 40 images in 2 classes/, "summary");
    await becomes(() => countOf(page, ".confusion tbody tr"), 2, "rows");
    const items = classes.map((name, i) => ({ class: name, accuracy: i % 59 ? 0 : 0.5, count: i % 59 ? 0 : 20 }));
    mock.world.reports.set(6, [{ name: "classes", step: 1, time_ms: Date.now(), data: { items } }]);
    await page.reload();
    await matches(() => text(page, '[data-report="classes"]'), /^Accuracy by class\s+0\s+50\.0 % of 20\s+59\s/, "two");
    await matches(
      () => text(page, '[data-report="classes"]'),
      /58 classes do not occur among these images/,
      "the others",
    );
  });
  await mockTest(
    browser,
    "a matrix wider than a phone says that it scrolls",
    "#/jobs/6",
    async (page) => {
      const place = page.locator(".confusion-card .scroll-place");
      const fade = () => place.evaluate((element) => getComputedStyle(element, "::after").opacity);
      await page.getByText("Scroll sideways to see all 10 columns.").waitFor();
      await becomes(fade, "1", "the fading edge");
      await page.locator('[data-cell="0,0"]').focus();
      await page.keyboard.press("End");
      await becomes(() => page.locator(".confusion-place").evaluate((box) => box.scrollLeft > 0), true, "scrolled");
      await page.locator(".confusion-place").evaluate((box) => box.scrollTo(box.scrollWidth, 0));
      await becomes(fade, "0", "the edge at the end");
      await page.setViewportSize({ width: 1280, height: 740 });
      await page.getByText("Scroll sideways").waitFor({ state: "detached" });
    },
    { size: "phone" },
  );
  await mockTest(browser, "sample images with their predictions; only mistakes", "#/jobs/6", async (page, mock) => {
    const images = page.locator(".sample img");
    await becomes(() => images.count(), 24, "images");
    await becomes(
      () => images.evaluateAll((all) => all.filter((image) => image.naturalWidth === 28).length),
      24,
      "images that are drawn",
    );
    equal(await images.first().getAttribute("alt"), "An image of shirt, taken for t-shirt", "text of a mistake");
    await page.getByLabel(/Only mistakes/).check();
    await becomes(() => images.count(), 8, "mistakes");
    const reports = mock.world.reports.get(6);
    reports.find(({ name }) => name === "samples").data.items.length = 3;
    await until(() => mock.hears("job:6"), "the topic of this job");
    mock.world.emit("report", { job: 6, name: "samples", step: 9000 }, "job:6");
    await becomes(() => images.count(), 3, "images of a newer report");
  });
  await mockTest(browser, "checkpoints of a job: step, size, metadata, the file", "#/jobs/6", async (page) => {
    await page.getByRole("tab", { name: "Checkpoints" }).click();
    await becomes(() => countOf(page, ".checkpoint-table tbody tr"), 4, "checkpoints and states");
    await matches(() => text(page, ".checkpoint-table"), /8,000[\s\S]*1\.1 MiB/, "step and size");
    await page.locator(".metadata summary").first().click();
    await page.locator(".metadata[open]").getByText('"family": "resnet"').waitFor();
    const download = page.waitForEvent("download");
    await page.getByRole("link", { name: "Download tengen-6-checkpoint-8000.safetensors" }).click();
    equal((await download).suggestedFilename(), "tengen-6-checkpoint-8000.safetensors", "file name");
  });
}

async function datasetTests(browser) {
  await mockTest(
    browser,
    "a data set is removed after a question, unless a job needs it",
    "#/datasets",
    async (page) => {
      const set = (name) => page.locator(`[data-dataset="${name}"]`);
      const ask = (name) => page.getByRole("button", { name: `Remove ${name}` });
      const dialog = page.getByRole("dialog");
      await ask("fashion-mnist").click();
      same(await violations(page), [], "violations with the dialog open");
      await dialog.getByRole("button", { name: "Remove", exact: true }).click();
      await dialog.getByText("job 7 needs this data set and is not over; cancel it first").waitFor();
      await page.keyboard.press("Escape");
      await dialog.waitFor({ state: "hidden" });
      await set("fashion-mnist").waitFor();
      await ask("go9-train").focus();
      await page.keyboard.press("Enter");
      await dialog.getByRole("button", { name: "Remove", exact: true }).press("Enter");
      await set("go9-train").waitFor({ state: "detached" });
      await dialog.waitFor({ state: "hidden" });
    },
  );
  await mockTest(
    browser,
    "a phone's list of data sets tells sizes and classes too",
    "#/datasets",
    async (page) => {
      await matches(() => text(page, '[data-dataset="fashion-mnist"]'), /28×28, grey\s+10 classes/, "images");
      await matches(() => text(page, '[data-dataset="go9-train"]'), /9×9/, "games");
      await matches(
        () => text(page, '[data-dataset="signs"]'),
        /48 wide, 32 high, colour\s+43 classes/,
        "width and height",
      );
    },
    { size: "phone" },
  );
  const file = (name, body) => ({ name, mimeType: "application/octet-stream", buffer: Buffer.from(body) });
  await mockTest(
    browser,
    "data sets: listed, uploaded with progress, refused with the reason",
    "#/datasets",
    async (page, mock) => {
      await matches(
        () => text(page, '[data-dataset="fashion-mnist"]'),
        /idx images[\s\S]*70,000 images[\s\S]*60,000 to learn[\s\S]*28×28, grey[\s\S]*10[\s\S]*t-shirt[\s\S]*29\.4 MiB/,
        "a set of images",
      );
      await matches(
        () => text(page, '[data-dataset="go9-train"]'),
        /9,480 games[\s\S]*9,479 usable[\s\S]*9×9/,
        "a set of games",
      );
      await page.locator('[data-dataset="go9-train"] [title*="at least one move"]').getByText("9,479 usable").waitFor();
      const send = page.getByRole("button", { name: "Upload" });
      await send.click();
      await page.locator('[data-field="file"] .problem').getByText("choose a file").waitFor();
      await page.getByLabel("File").setInputFiles(file("digits.tar.gz", "nonsense"));
      await becomes(() => page.getByLabel("Name").inputValue(), "digits", "the name that the file suggests");
      await send.click();
      await page.locator(".upload-problem").getByText("says 60000 images but holds 59112").waitFor();
      await page.getByLabel("Name").fill("");
      await send.click();
      await page.locator('[data-field="name"] .problem').getByText("needs a name").waitFor();
      await page.getByLabel("Name").fill("small digits");
      await page.getByLabel("File").setInputFiles(file("digits.tar.gz", "idx".repeat(1000)));
      let answer;
      mock.uploads = new Promise((resolve) => (answer = resolve));
      await send.click();
      const bar = page.getByRole("progressbar", { name: "Upload of digits.tar.gz" });
      await becomes(() => bar.getAttribute("aria-valuenow"), "100", "progress");
      await page.getByText("The coordinator checks it").waitFor();
      same(await violations(page), [], "violations during an upload");
      answer();
      await page.locator('[data-dataset="small digits"]').waitFor();
      await page.locator(".sending").waitFor({ state: "detached" });
      mock.uploads = new Promise((resolve) => (answer = resolve));
      await page.getByLabel("Name").fill("never mind");
      await page.getByLabel("File").setInputFiles(file("other.zip", "idx"));
      await send.click();
      await page.getByRole("button", { name: "Stop" }).click();
      await page.locator(".sending").waitFor({ state: "detached" });
      answer();
    },
  );
  await mockTest(
    browser,
    "a job's inputs are chosen by name, and kept when it is submitted again",
    "#/jobs/new?kind=classify",
    async (page, mock) => {
      const input = (name) => page.locator(`[data-field="inputs.${name}"] select`);
      await input("data").selectOption({ label: "fashion-mnist (#1, idx)" });
      await input("network").selectOption({ label: "checkpoint of #6 resnet on fashion (succeeded)" });
      await page.getByRole("button", { name: "Submit job" }).click();
      await page.getByRole("tab", { name: "Configuration" }).click();
      await page.locator(".panel").getByText("checkpoint of #6").waitFor();
      same(
        mock.world.jobs[0].inputs,
        { data: { dataset: 1 }, network: { job: 6, output: "checkpoint" } },
        "inputs of the new job",
      );
      mock.world.jobs[0].inputs.data = { dataset: "gone-since" };
      await page.getByRole("link", { name: "Submit again" }).click();
      await becomes(() => input("data").inputValue(), '{"dataset":"gone-since"}', "an input that is not known here");
      await page.goto(`${mock.url}/#/jobs/new?kind=evaluate`);
      await matches(
        () => input("network").innerText(),
        /checkpoint [0-9a-f]{12}, step 8000, of #6/,
        "stored checkpoints",
      );
      ok(!/state [0-9a-f]{12}/.test(await input("network").innerText()), "no states of a training among them");
    },
  );
  await mockTest(browser, "a seed reaches the server digit by digit", "#/jobs/new", async (page) => {
    await page.locator('[data-field="config.seed"] input').fill("9007199254740993");
    const sent = page.waitForRequest((request) => request.method() === "POST");
    await page.getByRole("button", { name: "Submit job" }).click();
    match((await sent).postData(), /"seed":9007199254740993[,}]/, "the request's body");
    await page.locator('[data-field="config.seed"] .problem').waitFor();
    await page.getByRole("button", { name: "JSON", exact: true }).click();
    await matches(
      () => page.getByLabel("JSON", { exact: true }).inputValue(),
      /: 9007199254740993\b/,
      "the same as JSON",
    );
  });
}

async function gameTests(browser) {
  await mockTest(
    browser,
    "the viewer steps by buttons and keys, shows captures, numbers and coordinates",
    "#/games/880",
    async (page) => {
      const position = () => text(page, ".viewer-card .between");
      const press = (name) => page.locator(`[data-control=${name}]`).click();
      await page.locator(".viewer .shudan-goban").waitFor();
      await matches(position, /Move 74 of 74/, "starts at the end");
      await matches(() => text(page, ".viewer-side"), /[1-9]\d* captured/, "captures");
      await press("first");
      await matches(position, /Move 0 of 74/, "first");
      await becomes(() => stonesOn(page, ".viewer"), 0, "stones on the empty board");
      await press("next");
      await page.keyboard.press("ArrowRight");
      await page.keyboard.press("ArrowRight");
      await matches(position, /Move 3 of 74/, "next, by button and keys");
      await becomes(() => stonesOn(page, ".viewer"), 3, "stones after three moves");
      await press("previous");
      await page.keyboard.press("ArrowLeft");
      await matches(position, /Move 1 of 74/, "previous");
      await page.keyboard.press("End");
      await matches(position, /Move 74 of 74/, "last");
      await page.keyboard.press("Home");
      await page.locator(".move").nth(9).click();
      await matches(position, /Move 10 of 74/, "by the list of moves");
      await becomes(() => countOf(page, ".move[aria-current=step]"), 1, "marked moves");
      await page.getByLabel("Move numbers").check();
      await until(async () => (await countOf(page, ".shudan-marker_label")) > 5, "numbers on stones");
      await becomes(() => countOf(page, ".shudan-coordx"), 2, "coordinates");
      await page.getByLabel("Coordinates").uncheck();
      await becomes(() => countOf(page, ".shudan-coordx"), 0, "coordinates when switched off");
      await press("play");
      await until(async () => Number(/Move (\d+)/.exec(await position())[1]) > 11, "autoplay");
      await page.keyboard.press("Space");
      const download = page.waitForEvent("download");
      await page.getByRole("link", { name: "SGF" }).click();
      equal((await download).suggestedFilename(), "tengen-880.sgf", "file name");
    },
  );
  await mockTest(
    browser,
    "a live game is followed to its end, then the next is offered",
    "#/jobs/3/live",
    async (page, mock) => {
      await page.locator("a.live-board").first().click();
      await page.locator(".live-now").waitFor();
      await until(() => mock.hears("live:3"), "the topic of this game");
      const title = () => text(page, ".viewer-card .between");
      const [, shown] = await matches(title, /Move (\d+)/, "where it is");
      mock.world.tick();
      await matches(title, new RegExp(`Move ${Number(shown) + 1}\\b`), "the next move is shown by itself");
      await page.keyboard.press("Home");
      await matches(title, /Move 0/, "stepping back");
      mock.world.tick();
      await matches(title, new RegExp(`Move 0 of ${Number(shown) + 2}\\b`), "it goes on, but is not followed");
      await page.keyboard.press("End");
      for (let i = 0; i < 80; i++) mock.world.tick();
      await page.getByText("This game has ended").waitFor();
      await page.getByRole("link", { name: "Watch the next one" }).click();
      await page.locator(".pulse").waitFor();
      await becomes(() => mock.streams.size, 1, "streams");
    },
  );
  await mockTest(browser, "games are filtered by player and job, and paged", "#/games", async (page) => {
    await page.getByRole("button", { name: "Show more" }).click();
    await until(async () => (await countOf(page, ".game-table tbody tr")) >= 100, "two pages");
    await page.getByLabel("Player").fill("gnugo");
    await until(async () => /gnugo/.test(await text(page, ".game-table tbody tr .players")), "games of gnugo");
    await page.getByLabel("Job number").fill("3");
    await page.getByText("No game fits the filter").waitFor();
  });
}

async function adminTests(browser) {
  await mockTest(
    browser,
    "workers are drained, enabled, disabled; the join command can be copied",
    "#/workers",
    async (page) => {
      const attic = page.locator('[data-worker="attic"]');
      await attic.getByRole("button", { name: "Drain" }).click();
      await attic.locator(".state-draining").waitFor();
      await attic.getByRole("button", { name: "Enable" }).click();
      await attic.locator(".state-online").waitFor();
      await attic.getByRole("button", { name: "Disable" }).click();
      await attic.locator(".state-disabled").waitFor();
      await page.context().grantPermissions(["clipboard-read", "clipboard-write"]);
      const said = page.getByText("Copied").waitFor(); // it does not say so for long
      await page.getByRole("button", { name: "Copy join command" }).click();
      await said;
      await matches(() => page.evaluate(() => navigator.clipboard.readText()), /^tengen work --server /, "clipboard");
    },
  );
  await mockTest(browser, "a worker says what it cannot do and is tried again", "#/workers", async (page) => {
    const kitchen = page.locator('[data-worker="kitchen-pc"]');
    await kitchen.getByText(/engine gnugo does not work on this machine.*Tried again at /).waitFor();
    equal(await page.locator('[data-worker="attic"]').getByRole("note").count(), 0, "notes of a worker that works");
    await kitchen.getByRole("button", { name: "Try again" }).click();
    await becomes(() => kitchen.getByRole("note").count(), 0, "notes afterwards");
    await becomes(() => kitchen.getByRole("button", { name: "Try again" }).count(), 0, "buttons to try again");
  });
  await mockTest(browser, "a token is made, shown once, and revoked after a question", "#/tokens", async (page) => {
    await page.getByRole("button", { name: "Create token" }).click();
    await page.locator('[data-field="name"] .problem').waitFor();
    await page.getByLabel("Name").fill("attic");
    equal(await page.getByLabel("Role").inputValue(), "admin", "role of the first token");
    await page.getByRole("button", { name: "Create token" }).click();
    await matches(() => text(page, ".created code"), /^tg_/, "the token");
    await page.locator(".side-foot").getByRole("button", { name: "Sign out" }).waitFor();
    await page.getByRole("button", { name: "I have copied it" }).click();
    await becomes(() => page.getByText(/tg_[0-9a-f]{10}/).count(), 0, "tokens on the page afterwards");
    await page.getByRole("button", { name: "Revoke attic" }).click();
    await page.getByRole("dialog").getByRole("button", { name: "Revoke" }).click();
    await page.locator('[data-token="attic"]').getByText("revoked").waitFor();
  });
}

async function frameTests(browser) {
  await mockTest(browser, "the theme follows the system, or the button, and is remembered", "#/", async (page) => {
    const background = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
    await page.locator(".side-foot").waitFor();
    const light = await background();
    await page.emulateMedia({ colorScheme: "dark" });
    await until(async () => (await background()) !== light, "dark differs from light");
    const button = page.locator(".side-foot").getByRole("button", { name: /Colours/ });
    await button.click();
    await becomes(background, light, "light by choice");
    await page.reload();
    await page.locator(".side-foot").waitFor();
    await becomes(background, light, "light after a reload");
  });
  await mockTest(browser, "the keyboard reaches everything, and sees where it is", "#/jobs", async (page) => {
    await page.locator(".job-table").waitFor();
    await page.keyboard.press("Tab");
    equal(await page.evaluate(() => document.activeElement.textContent), "Skip to the content", "first stop");
    await page.keyboard.press("Enter");
    await becomes(() => page.evaluate(() => document.activeElement.id), "main", "after the skip link");
    equal(new URL(page.url()).hash, "#/jobs", "address after the skip link");
    for (let i = 0; i < 4; i++) await page.keyboard.press("Tab");
    const { name, outline } = await page.evaluate(() => {
      const link = document.activeElement;
      return { name: link.textContent, outline: getComputedStyle(link, "::after").outlineStyle };
    });
    equal(name, "vgg on fashion", "fourth stop: the first row");
    equal(outline, "solid", "its outline");
    await page.keyboard.press("Enter");
    await page.getByRole("heading", { name: "vgg on fashion" }).waitFor();
  });
}

const PAGES = {
  overview: "#/",
  jobs: "#/jobs",
  job: "#/jobs/4",
  "job-failed": "#/jobs/2",
  "new-job": "#/jobs/new?kind=match",
  games: "#/games",
  game: "#/games/880",
  "live-games": "#/jobs/3/live",
  training: "#/jobs/6",
  "training-running": "#/jobs/7",
  "new-training": "#/jobs/new?kind=classify",
  datasets: "#/datasets",
  workers: "#/workers",
  tokens: "#/tokens",
};

async function looksTests(browser) {
  for (const [scheme, size] of [
    ["light", "desk"],
    ["dark", "desk"],
    ["light", "phone"],
    ["dark", "phone"],
  ]) {
    await test(`mock: every page, ${scheme}, ${size}: no serious finding of axe-core, no sideways scrolling, a picture`, async () => {
      const mock = await startMock();
      mock.world.tokens.push({
        id: 1,
        role: "worker",
        name: "attic",
        created_ms: Date.now() - 9e6,
        used_ms: Date.now(),
        revoked_ms: null,
      });
      for (const [name, hash] of Object.entries(PAGES)) {
        const page = await open(browser, `${mock.url}/${hash}`, { scheme, size });
        await settled(page);
        await screenshot(page, `${name}-${size}-${scheme}`);
        await noHorizontalScroll(page, name);
        same(await violations(page), [], `violations on ${name}`);
        same(page.faults, [], `faults on ${name}`);
        await page.context().close();
      }
      await mock.close();
    });
  }
}

export async function mockTests(browser) {
  await overviewTests(browser);
  await connectionTests(browser);
  await signInTests(browser);
  await formTests(browser);
  await jobTests(browser);
  await trainingTests(browser);
  await datasetTests(browser);
  await gameTests(browser);
  await adminTests(browser);
  await frameTests(browser);
  await looksTests(browser);
}
