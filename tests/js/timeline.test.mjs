// js/lib/timeline.js counts as jova_core/timeline.py does, on cases that Python computes afresh.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

import { exactly, fraction, parseRate, Timeline, toNumber } from "../../js/lib/timeline.js";
import { MINI_RATES, timelineOf } from "../../js/lib/planner.js";

const SCRIPT = fileURLToPath(new URL("timeline_cases.py", import.meta.url));
const LOCAL = fileURLToPath(new URL("../../.venv/bin/python", import.meta.url));

/** An interpreter that has the package: $PYTHON, the README's .venv, or python3. */
function python() {
  return process.env.PYTHON || (existsSync(LOCAL) ? LOCAL : "python3");
}

function pythonCases() {
  const done = spawnSync(python(), [SCRIPT], { encoding: "utf-8", maxBuffer: 2 ** 26 });
  assert.equal(
    done.status,
    0,
    `${python()} cannot compute the cases; name one with the package in PYTHON. ${done.stderr}`,
  );
  const [first, ...cases] = done.stdout.trim().split("\n").map((line) => JSON.parse(line));
  return { mini: first.mini, cases };
}

const { mini, cases } = pythonCases();

test("the planner's rates of the bundled mini are the config's", () => {
  assert.deepEqual({ ...MINI_RATES }, mini);
});

test("every count equals Python's", () => {
  assert.ok(cases.length >= 1000);
  for (const item of cases) {
    const line = timelineOf(item.rates);
    const exact = line.seconds(item.frames);
    let latents;
    try {
      latents = line.videoLatents(item.frames);
    } catch (error) {
      latents = error.message;
    }
    const twin = {
      rates: item.rates,
      seconds: item.seconds,
      legal_frames: line.legalFrames(item.seconds),
      frames: item.frames,
      is_legal: line.isLegal(item.frames),
      video_latents: latents,
      audio_latents: line.audioLatents(item.frames),
      audio_samples: line.audioSamples(item.frames),
      exact_seconds: exact.d === 1n ? `${exact.n}` : `${exact.n}/${exact.d}`,
      float_seconds: toNumber(exact),
      latents: item.latents,
      frames_of_latents: line.frames(item.latents),
    };
    assert.deepEqual(twin, item);
  }
});

test("the cases reach what is difficult", () => {
  assert.ok(cases.some((item) => item.rates.fps.includes("/")));
  assert.ok(cases.some((item) => typeof item.video_latents === "string"));
  assert.ok(cases.some((item) => item.frames < 0));
  assert.ok(cases.some((item) => item.seconds < 1e-300));
  const ties = cases.filter(({ rates, seconds }) => {
    const wanted = exactly(seconds);
    const fps = parseRate(rates.fps);
    const steps = fraction(
      wanted.n * fps.n - wanted.d * fps.d,
      wanted.d * fps.d * BigInt(rates.temporal_ratio),
    );
    return steps.d === 2n;
  });
  assert.ok(ties.length >= 20, `${ties.length} exact ties`);
});

test("the length of a legal clip gives that clip, as a fraction and as a double", () => {
  const line = new Timeline({ fps: "24000/1001", sampleRate: 44100, audioRate: "11025/256" });
  for (let latents = 1; latents < 500; latents += 1) {
    const frames = line.frames(latents);
    assert.equal(line.legalFrames(line.seconds(frames)), frames);
    assert.equal(line.legalFrames(toNumber(line.seconds(frames))), frames);
  }
});

test("impossible lengths are refused", () => {
  const line = timelineOf(MINI_RATES);
  for (const seconds of [0, -1, -0, NaN, Infinity, -Infinity, fraction(-1n, 3n), fraction(0n)]) {
    assert.throws(() => line.legalFrames(seconds), /give a length above 0/);
  }
});

test("impossible rates are refused", () => {
  for (const fps of ["0", "0/3", "-16", "16/0", "16.5", "", "abc", null, undefined, "1/2/3"]) {
    assert.throws(
      () => new Timeline({ fps, sampleRate: 16000, audioRate: "125/4" }),
      RangeError,
      String(fps),
    );
  }
});

test("doubles are exact", () => {
  assert.deepEqual(exactly(0.1), { n: 3602879701896397n, d: 36028797018963968n });
  assert.deepEqual(exactly(-2.5), { n: -5n, d: 2n });
  assert.deepEqual(exactly(2 ** 70), { n: 2n ** 70n, d: 1n });
  assert.deepEqual(exactly(5e-324), { n: 1n, d: 2n ** 1074n });
  assert.throws(() => exactly(NaN), RangeError);
});
