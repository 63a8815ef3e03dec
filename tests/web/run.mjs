// run.mjs - all tests of the dashboard, as TAP: without a browser, against the mock, and against a real coordinator.
//
//     node tests/web/run.mjs [--server-bin FILE] [--worker-bin FILE] [--only WORD]
//
// Needs `npm ci` here and in web/, and `npm run build` in web/. The programs default to those in $TENGEN_BIN or build/bin.

import { access } from "node:fs/promises";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { launch } from "./browser.mjs";
import { finish, only, skip } from "./tap.mjs";
import { mockTests } from "./test_mock.mjs";
import { realTests } from "./test_real.mjs";
import { unitTests } from "./test_units.mjs";

const root = path.join(path.dirname(fileURLToPath(import.meta.url)), "..", "..");
const bin = process.env.TENGEN_BIN || path.join(root, "build", "bin");
const { values } = parseArgs({
  options: {
    "server-bin": { type: "string", default: path.join(bin, "tengen-server") },
    "worker-bin": { type: "string", default: path.join(bin, "tengen-worker") },
    only: { type: "string", default: "" },
  },
});

const exists = (file) =>
  access(file).then(
    () => true,
    () => false,
  );

if (!(await exists(path.join(root, "web", "dist", "app.js")))) {
  console.log("Bail out! web/dist is missing: run `npm ci && npm run build` in web/");
  process.exit(1);
}
only(values.only);
// A test that waits for an event before it causes it, and then fails on the way, leaves that wait behind; what failed is told.
process.on("unhandledRejection", (error) => console.log(`# left behind: ${error.message}`));
await unitTests();
const browser = await launch();
await mockTests(browser);
const missing = [];
for (const name of ["server-bin", "worker-bin"]) if (!(await exists(values[name]))) missing.push(values[name]);
if (missing.length) skip("real: the dashboard with a real coordinator and worker", `there is no ${missing.join(", ")}`);
else await realTests(browser, values["server-bin"], values["worker-bin"]);
await browser.close();
process.exit(finish());
