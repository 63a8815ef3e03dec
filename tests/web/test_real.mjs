// test_real.mjs - the dashboard as a person uses it, with a real coordinator and a real worker playing real games.
//
// One story in steps that build on each other: nothing there yet, a worker joins, a job is submitted by the form, its game
// is watched, it is cancelled, another job's games are stepped through, the worker is drained, tokens are made and revoked.
//
// No step depends on the machine's speed: the game that is watched takes a second for each of its hundreds of moves on any
// machine, and the job that is awaited is as short as can be.

import { shapes, tarOf } from "./archive.mjs";
import { explained, noHorizontalScroll, open, screenshot, setHidden, settled, violations } from "./browser.mjs";
import { Real } from "./real.mjs";
import { canRead, getBlindly, postByForm, postByScript, startStranger } from "./stranger.mjs";
import { becomes, equal, match, matches, ok, PATIENCE_MS, same, test as plainTest, until } from "./tap.mjs";

const LONG_MS = 3 * PATIENCE_MS; // what workers do, on a machine that does much else

let page = null; // the one that the story is told on

function test(name, body) {
  return plainTest(name, async () => {
    try {
      await body();
    } catch (error) {
      throw page ? await explained(page, error) : error;
    }
  });
}

const text = (page, selector) => page.locator(selector).first().innerText();
const field = (page, path) => page.locator(`[data-field="${path}"]`);

async function firstSteps(real) {
  await test("real: an unused coordinator says what to do next", async () => {
    await page.getByRole("heading", { name: "Overview" }).waitFor();
    await page.getByText("Nothing runs").waitFor();
    await page.getByText("No worker has joined").waitFor();
    await page.locator(".sidebar .connection-live").waitFor();
    await page.goto(`${real.url}/#/workers`);
    await matches(() => text(page, ".copy-line code"), /^tengen work .*--server \S+/, "the join command");
  });
  await test("real: a worker that joins shows up by itself", async () => {
    await real.addWorker("loopback");
    await page.locator('[data-worker="loopback"] .state-online').waitFor();
    await matches(() => text(page, '[data-worker="loopback"]'), /1 runner[\s\S]*selfplay/, "the worker's card");
  });
}

async function submitting(real) {
  await test("real: the server's problem stands at the form's field", async () => {
    await page.goto(`${real.url}/#/jobs/new?kind=selfplay`);
    await field(page, "config.games").locator("input").fill("0");
    await page.getByRole("button", { name: "Submit job" }).click();
    const problem = field(page, "config.games").locator(".problem");
    await problem.waitFor();
    match(await problem.innerText(), /\b1\b/, "what it takes");
    await field(page, "config.games").locator("input").fill("a few");
    await page.getByRole("button", { name: "Submit job" }).click();
    await until(async () => /number|integer/.test(await problem.innerText()), "the wrong type is named");
    await field(page, "config.player.playouts").locator("input").fill("0.5");
    await field(page, "config.games").locator("input").fill("6");
    await page.getByRole("button", { name: "Submit job" }).click();
    await field(page, "config.player.playouts").locator(".problem").waitFor();
  });
  await test("real: a job is submitted by the form, and runs", async () => {
    const values = { "player.playouts": 4000, "player.seconds": 1, "player.resign": 0, board: 19, games: 4 };
    for (const [name, value] of Object.entries(values))
      await field(page, `config.${name}`).locator("input").fill(String(value));
    await field(page, "name").locator("input").fill("from the browser");
    await page.getByRole("button", { name: "Submit job" }).click();
    await page.getByRole("heading", { name: "from the browser" }).waitFor();
    await page.locator(".page-title .state-running").waitFor({ timeout: LONG_MS });
  });
}

async function watching(real) {
  await test("real: a live game moves on the overview, and is followed in the viewer", async () => {
    await page.goto(`${real.url}/#/`);
    await page.locator(".live-card a.live-board .shudan-goban").waitFor({ timeout: LONG_MS });
    const caption = () => text(page, ".live-caption");
    const [, seen] = await matches(caption, /move (\d+)/, "the board's caption");
    await until(async () => Number(/move (\d+)/.exec(await caption())[1]) > seen, "the next move", LONG_MS);
    await screenshot(page, "real-overview");
    await page.locator(".live-card a.live-board").click();
    await page.locator(".viewer .shudan-goban").waitFor();
    const move = () => text(page, ".viewer-card .between");
    const [, before] = await matches(move, /Move (\d+)/, "where the viewer is");
    await until(async () => Number(/Move (\d+)/.exec(await move())[1]) > before, "the viewer follows", LONG_MS);
    await screenshot(page, "real-live");
  });
  await test("real: a hidden tab holds no stream", async () => {
    const closed = page.waitForEvent("requestfailed", (request) => request.url().includes("/events"));
    await setHidden(page, true);
    await closed;
    const opened = page.waitForRequest((request) => request.url().includes("/events"));
    await setHidden(page, false);
    await opened;
    await page.locator(".sidebar .connection-live").waitFor();
  });
  await test("real: a running job is cancelled after a question", async () => {
    await page.goto(`${real.url}/#/jobs/1`);
    await page.getByRole("button", { name: "Cancel" }).click();
    await page.getByRole("dialog").getByRole("button", { name: "Cancel the job" }).click();
    await page.locator(".page-title .state-cancelled").waitFor();
  });
  await test("real: finished games come in by themselves; one is stepped through", async () => {
    await page.goto(`${real.url}/#/games`);
    await page.getByText("No game is finished yet").waitFor();
    await real.submit({
      kind: "selfplay",
      name: "six games",
      config: { games: 6, games_per_task: 2, seed: 11, player: { playouts: 100, resign: 0 } },
    });
    await page.locator(".game-table tbody tr").first().waitFor({ timeout: LONG_MS });
    await page.locator(".game-table .row-link").first().click();
    await page.locator(".viewer .shudan-goban").waitFor();
    const move = () => text(page, ".viewer-card .between");
    const [, total] = await matches(move, /Move \d+ of (\d+)/, "where the viewer is");
    ok(Number(total) > 10, `a whole game, got ${total} moves`);
    await page.keyboard.press("Home");
    await matches(move, /Move 0/, "first");
    await page.keyboard.press("ArrowRight");
    await matches(move, /Move 1 of \d+\s+Black [A-HJ-T]\d+/, "the first move");
    await becomes(() => page.locator(".viewer .shudan-stone-image").count(), 1, "stones");
    await page.keyboard.press("End");
    await matches(() => text(page, ".game-result"), /^(Black|White) won|^Draw/, "result");
    const download = page.waitForEvent("download");
    await page.getByRole("link", { name: "SGF" }).click();
    match((await download).suggestedFilename(), /\.sgf$/, "the file's name");
    await screenshot(page, "real-game");
  });
}

async function finishing(real) {
  await test("real: the job's page tells its progress, log and tasks to the end", async () => {
    await page.goto(`${real.url}/#/jobs`);
    await page.getByRole("link", { name: "six games" }).click();
    await page.locator(".page-title .state-succeeded").waitFor({ timeout: LONG_MS });
    await matches(() => text(page, ".job-progress"), /6 of 6 games/, "progress");
    await page.locator(".chart canvas").first().waitFor();
    await page.getByRole("tab", { name: "Tasks" }).click();
    await page.getByLabel("Show").selectOption("done");
    await becomes(() => page.locator(".task-table tbody tr").count(), 3, "tasks of two games");
    await page.getByRole("tab", { name: "Games" }).click();
    await becomes(() => page.locator(".panel .game-table tbody tr").count(), 6, "games");
    await page.getByRole("tab", { name: "Configuration" }).click();
    await page.getByText("all chunks for ever").waitFor();
    await field(page, "chunks").locator("input").fill("many");
    await page.getByRole("button", { name: "Change", exact: true }).click();
    await field(page, "chunks").locator(".problem").waitFor();
    await field(page, "chunks").locator("input").fill("2");
    await page.getByRole("button", { name: "Change", exact: true }).click();
    await page.locator('[data-retention="2 0"]').getByText("the newest 2 chunks for ever").waitFor();
    equal((await real.get("/jobs/2")).retention.chunks, 2, "what the coordinator keeps");
    await screenshot(page, "real-job");
  });
  await test("real: a job that waits says why, is paused, resumed, cancelled", async () => {
    await page.goto(`${real.url}/#/jobs/new`);
    await page.getByRole("button", { name: "JSON", exact: true }).click();
    const job = { kind: "teacher", name: "waits for an engine", config: { games: 2, engine: "no-such-engine" } };
    await page.getByLabel("JSON", { exact: true }).fill(JSON.stringify(job));
    await page.getByRole("button", { name: "Submit job" }).click();
    await page.getByRole("heading", { name: job.name }).waitFor();
    await page
      .locator(".reason")
      .getByText(/no-such-engine/)
      .waitFor();
    await page.getByRole("button", { name: "Pause" }).click();
    await page.getByRole("button", { name: "Resume" }).click();
    await page.getByRole("button", { name: "Cancel" }).click();
    await page.getByRole("dialog").getByRole("button", { name: "Cancel the job" }).click();
    await page.locator(".page-title .state-cancelled").waitFor();
  });
}

async function learning(real) {
  const file = (name, buffer) => ({ name, mimeType: "application/octet-stream", buffer });
  await test("real: a data set is uploaded and kept", async () => {
    await page.goto(`${real.url}/#/datasets`);
    await page.getByText("There are no data sets yet").waitFor();
    await page.getByLabel("File").setInputFiles(file("shapes.tar", tarOf(shapes())));
    await page.getByRole("button", { name: "Upload" }).click();
    await matches(() => text(page, '[data-dataset="shapes"]'), /shapes[\s\S]*#1[\s\S]*\d KiB/, "its row");
    await real.upload("someone else's", tarOf(shapes()));
    await page.locator('[data-dataset="someone else\'s"]').waitFor();
    await page.getByLabel("File").setInputFiles(file("shapes.tar", Buffer.concat([tarOf(shapes()), Buffer.alloc(10240)])));
    await page.getByRole("button", { name: "Upload" }).click();
    const taken = page.locator('[data-field="name"] .problem');
    await matches(() => taken.innerText(), /data set 1 has this name.*choose another name/i, "a name that is taken");
  });
  await test("real: a network is trained; its page shows curves, mistakes, images and checkpoints", async () => {
    await page.goto(`${real.url}/#/jobs/new?kind=classify`);
    const data = page.locator('[data-field="inputs.data"] select');
    await data.selectOption(await data.locator("option", { hasText: /^shapes \(#1/ }).getAttribute("value"));
    const values = {
      "network.stages": "8x1",
      epochs: 8,
      batch: 16,
      learning_rate: 0.05,
      shift: 0,
      samples: 6,
      seed: 5,
    };
    for (const [name, value] of Object.entries(values))
      await field(page, `config.${name}`).locator("input").fill(String(value));
    await field(page, "name").locator("input").fill("tells shapes apart");
    await page.getByRole("button", { name: "Submit job" }).click();
    await page.getByRole("heading", { name: "tells shapes apart" }).waitFor();
    await page.locator(".page-title .state-succeeded").waitFor({ timeout: LONG_MS });
    await becomes(() => page.locator(".confusion tbody tr").count(), 3, "classes in the matrix");
    const cells = await page.locator(".confusion .cell").allInnerTexts();
    equal(
      cells.map(Number).reduce((a, b) => a + b, 0),
      30,
      "test images in the matrix",
    );
    await becomes(
      () => page.locator(".sample img").evaluateAll((all) => all.filter((one) => one.naturalWidth === 12).length),
      6,
      "sample images that are drawn",
    );
    const loss = page.locator(".chart", { hasText: "Loss" });
    await matches(() => loss.locator(".legend").innerText(), /training[\s\S]*validation/, "the curves of the loss");
    await screenshot(page, "real-training");
    await page.getByRole("tab", { name: "Checkpoints" }).click();
    const download = page.waitForEvent("download");
    await page
      .getByRole("link", { name: /^Download tengen-\d+-checkpoint-/ })
      .first()
      .click();
    match((await download).suggestedFilename(), /\.safetensors$/, "the file's name");
  });
}

async function looks(browser, real) {
  const hashes = [
    "#/",
    "#/jobs",
    "#/jobs/1",
    "#/jobs/2",
    "#/jobs/4",
    "#/datasets",
    "#/games",
    "#/games/1",
    "#/workers",
    "#/jobs/new?kind=match",
  ];
  for (const [scheme, size] of [
    ["light", "desk"],
    ["dark", "phone"],
  ]) {
    await test(`real: every page, ${scheme}, ${size}: no serious finding of axe-core, no sideways scrolling`, async () => {
      for (const hash of hashes) {
        const looked = await open(browser, `${real.url}/${hash}`, { scheme, size });
        await settled(looked);
        await noHorizontalScroll(looked, hash);
        same(await violations(looked), [], `violations on ${hash}`);
        same(looked.faults, [], `faults on ${hash}`);
        await looked.context().close();
      }
    });
  }
}

async function administering(real) {
  await test("real: a worker is drained: it finishes and stops", async () => {
    await page.goto(`${real.url}/#/workers`);
    const card = page.locator('[data-worker="loopback"]');
    await card.getByRole("button", { name: "Drain" }).click();
    await card.locator(".state-draining, .state-drained, .state-offline").first().waitFor();
    await card.getByRole("button", { name: "Enable" }).waitFor();
    await screenshot(page, "real-workers");
    await until(() => real.workers[0].code !== null, "the agent's end", LONG_MS);
    equal(real.workers[0].code, 0, "its exit code");
  });
  await test("real: the first token signs this page in, another is made and revoked", async () => {
    await page.goto(`${real.url}/#/tokens`);
    await page.getByText("There are no tokens").waitFor();
    await page.getByLabel("Name").fill("first admin");
    await page.getByRole("button", { name: "Create token" }).click();
    real.token = await text(page, ".created code");
    match(real.token, /^tg_[\w-]{43}$/, "token");
    await page.getByRole("button", { name: "I have copied it" }).click();
    await page.locator('[data-token="first admin"]').waitFor();
    await page.getByLabel("Name").fill("attic");
    await page.getByLabel("Role").selectOption("worker");
    await page.getByRole("button", { name: "Create token" }).click();
    await page.locator('[data-token="attic"]').waitFor();
    await page.getByRole("button", { name: "Revoke attic" }).click();
    await page.getByRole("dialog").getByRole("button", { name: "Revoke" }).click();
    await page.locator('[data-token="attic"]').getByText("revoked").waitFor();
  });
  await test("real: signing out and in", async () => {
    await page.locator(".side-foot").getByRole("button", { name: "Sign out" }).click();
    const token = page.locator(".sign-in").getByLabel("Token", { exact: true });
    await token.fill(`tg_${"x".repeat(43)}`);
    await page.getByRole("button", { name: "Sign in" }).click();
    await page.locator(".sign-in .problem").waitFor();
    await token.fill(real.token);
    await page.getByRole("button", { name: "Sign in" }).click();
    await page.getByRole("heading", { name: "Tokens" }).waitFor();
    ok(
      (await page.context().cookies()).every((cookie) => cookie.httpOnly),
      "scripts cannot read the session's cookie",
    );
  });
}

/** Acts on the stranger's page and gives the coordinator's status for it. */
async function statusOf(stranger, path, act) {
  const answered = stranger.waitForResponse((response) => response.url().endsWith(path));
  await act();
  return (await answered).status();
}

async function strangers(real) {
  await test("real: a page on another port can neither use the session nor read what it may see", async () => {
    const site = await startStranger();
    const stranger = await page.context().newPage();
    try {
      await stranger.goto(site.url);
      const api = `${real.url}/api/v1`;
      const before = [await real.get("/tokens"), await real.get("/jobs"), await real.get("/workers")];
      const blind = await statusOf(stranger, "/tokens", () => getBlindly(stranger, `${api}/tokens`));
      equal(blind, 200, "the browser sends the session along, or this test would show nothing");
      equal(await canRead(stranger, `${api}/tokens`), false, "whether it can read the tokens");
      const calls = [
        ["/tokens", () => postByScript(stranger, `${api}/tokens`, '{"role":"admin","name":"stolen"}')],
        ["/workers/1/disable", () => postByScript(stranger, `${api}/workers/1/disable`, "{}")],
        ["/session", () => postByScript(stranger, `${api}/session`, JSON.stringify({ token: real.token }))],
        ["/jobs", () => postByForm(stranger, `${api}/jobs`, ['{"kind":"selfplay","name":"', '"}'])],
      ];
      for (const [path, act] of calls) {
        const status = await statusOf(stranger, path, act);
        ok(status >= 400 && status < 500, `POST ${path} from another port is refused: ${status}`);
      }
      const after = [await real.get("/tokens"), await real.get("/jobs"), await real.get("/workers")];
      for (const [i, what] of ["tokens", "jobs", "workers"].entries())
        same(
          after[i].items.map(({ id, state }) => [id, state]),
          before[i].items.map(({ id, state }) => [id, state]),
          `${what} afterwards`,
        );
    } finally {
      await stranger.close();
      await site.close();
    }
  });
}

export async function realTests(browser, serverBin, workerBin) {
  const real = new Real(serverBin, workerBin);
  try {
    await real.start();
    page = await open(browser, `${real.url}/`);
    await firstSteps(real);
    await submitting(real);
    await watching(real);
    await finishing(real);
    await learning(real);
    await looks(browser, real);
    await administering(real);
    await strangers(real);
    await test("real: the coordinator has run to the end", () => real.server.alive());
    await test("real: no script error, nothing refused by the CSP, no other host", () =>
      same(page.faults, [], "faults"));
  } catch (error) {
    await test("real: the story goes on to its end", () => {
      throw error;
    });
  } finally {
    await page?.context().close();
    page = null;
    await real.stop();
  }
}
