// build.mjs - makes web/dist: one HTML page, one script, one style sheet and the few files that they name.
//
// `node build.mjs` builds for the server to embed; `--watch` rebuilds on change. The result must work without any other
// host and under `Content-Security-Policy: default-src 'self'`, so nothing is inlined as data: URLs and there is no
// inline script. The ready-made jobs of scripts/presets are compiled in as the module "presets".

import { cp, mkdir, readdir, readFile, rm, stat } from "node:fs/promises";
import path from "node:path";
import { fileURLToPath } from "node:url";
import * as esbuild from "esbuild";

const here = path.dirname(fileURLToPath(import.meta.url));
const dist = path.join(here, "dist");
const presetFolder = path.join(here, "..", "scripts", "presets");

/** Resolves `import presets from "presets"` to [{file, document}, ...] read from scripts/presets/*.json. */
const presets = {
  name: "presets",
  setup(build) {
    build.onResolve({ filter: /^presets$/ }, () => ({ path: "presets", namespace: "presets" }));
    build.onLoad({ filter: /.*/, namespace: "presets" }, async () => {
      const names = (await readdir(presetFolder).catch(() => [])).filter((name) => name.endsWith(".json")).sort();
      const list = [];
      for (const name of names) {
        const document = JSON.parse(await readFile(path.join(presetFolder, name), "utf8"));
        list.push({ file: name.replace(/\.json$/, ""), document });
      }
      return {
        contents: JSON.stringify(list),
        loader: "json",
        watchFiles: names.map((n) => path.join(presetFolder, n)),
      };
    });
  },
};

/** Shudan's pictures, among them a photograph of wood of 190 KiB, give way to our drawn ones of a few hundred bytes. */
const pictures = {
  name: "pictures",
  setup(build) {
    const ours = { "board.png": "wood.svg", "stone_1.svg": "stone-black.svg", "stone_-1.svg": "stone-white.svg" };
    build.onResolve({ filter: /(board\.png|stone_-?1\.svg)$/ }, ({ path: named }) => ({
      path: path.join(here, "src", "assets", ours[path.basename(named)]),
    }));
  },
};

const options = {
  absWorkingDir: here,
  entryPoints: { app: "src/main.jsx" },
  outdir: dist,
  bundle: true,
  format: "esm",
  target: ["chrome111", "firefox113", "safari16.4"],
  minify: !process.argv.includes("--watch"),
  sourcemap: process.argv.includes("--watch"),
  jsx: "automatic",
  jsxImportSource: "preact",
  loader: { ".woff2": "file", ".svg": "file" },
  assetNames: "[name]",
  legalComments: "none",
  define: { "process.env.NODE_ENV": '"production"' },
  plugins: [presets, pictures],
  logLevel: "info",
};

async function copyStatic() {
  await mkdir(dist, { recursive: true });
  for (const name of ["index.html", "favicon.svg"]) await cp(path.join(here, "src", name), path.join(dist, name));
}

async function total() {
  let bytes = 0;
  for (const name of await readdir(dist)) bytes += (await stat(path.join(dist, name))).size;
  return bytes;
}

await rm(dist, { recursive: true, force: true });
await copyStatic();
if (process.argv.includes("--watch")) {
  const context = await esbuild.context(options);
  await context.watch();
} else {
  await esbuild.build(options);
  console.log(`web/dist: ${Math.round((await total()) / 1024)} KiB`);
}
