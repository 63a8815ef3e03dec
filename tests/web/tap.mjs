// tap.mjs - the little that these tests need of a test framework: named tests, one after the other, as TAP.

import { inspect } from "node:util";

let number = 0;
let failed = 0;
let word = "";

/** Runs only the tests whose name contains `text`. */
export function only(text) {
  word = text;
}

const indent = (text) => text.replace(/^/gm, "    ");

/** Runs one test. `fn` throws to fail. A failure does not stop the others. */
export async function test(name, fn) {
  if (!name.includes(word)) return;
  number += 1;
  try {
    await fn();
    console.log(`ok ${number} - ${name}`);
  } catch (error) {
    failed += 1;
    console.log(`not ok ${number} - ${name}`);
    console.log(`  ---\n${indent(String(error?.stack || error))}\n  ...`);
  }
}

export function skip(name, reason) {
  number += 1;
  console.log(`ok ${number} - ${name} # SKIP ${reason}`);
}

/** Prints the plan and gives the exit code. */
export function finish() {
  console.log(`1..${number}`);
  return failed ? 1 : 0;
}

export function ok(value, what) {
  if (!value) throw new Error(`${what}: got ${inspect(value)}`);
}

export function equal(actual, expected, what) {
  if (!Object.is(actual, expected)) throw new Error(`${what}: expected ${inspect(expected)}, got ${inspect(actual)}`);
}

export function same(actual, expected, what) {
  const [a, e] = [JSON.stringify(actual), JSON.stringify(expected)];
  if (a !== e) throw new Error(`${what}:\nexpected ${e}\ngot      ${a}`);
}

export function match(text, pattern, what) {
  if (!pattern.test(text)) throw new Error(`${what}: ${inspect(text)} does not match ${pattern}`);
}

const SLOW = Number(process.env.TENGEN_TEST_SLOW || 3);

/** How long anything may take on a machine that does much else. Nothing waits this long unless it fails. */
export const PATIENCE_MS = 60000 * SLOW;

/** Waits until probe() gives something true, and returns it. `what` may be a function, asked on failure. */
export async function until(probe, what, timeoutMs = PATIENCE_MS) {
  const end = Date.now() + timeoutMs;
  let last;
  for (;;) {
    try {
      last = await probe();
      if (last) return last;
    } catch (error) {
      last = error;
    }
    if (Date.now() > end) {
      const text = typeof what === "function" ? what() : what;
      throw new Error(`${text}: not within ${timeoutMs} ms, the last answer was ${inspect(last)}`);
    }
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

/** Waits until probe() gives `expected`: a page follows what is done to it, but not at once. */
export async function becomes(probe, expected, what) {
  let last;
  const said = () => `${what}: expected ${inspect(expected)}, got ${inspect(last)}`;
  await until(async () => Object.is((last = await probe()), expected), said);
}

/** Waits until the text that probe() gives matches, and returns the match. */
export async function matches(probe, pattern, what) {
  let last;
  const said = () => `${what}: ${inspect(last)} does not match ${pattern}`;
  return until(async () => pattern.exec((last = await probe())), said);
}
