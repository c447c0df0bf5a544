/**
 * The exact twin of jova_core/timeline.py: seconds, frames, video latents, audio latents, samples.
 *
 * Fractions are pairs of BigInts { n, d } with d > 0, in lowest terms.
 */

const HALF = Object.freeze({ n: 1n, d: 2n });

/** n / d in lowest terms; RangeError where d is 0. */
export function fraction(n, d = 1n) {
  if (d === 0n) throw new RangeError("The denominator of a fraction cannot be 0.");
  const divisor = gcd(n < 0n ? -n : n, d < 0n ? -d : d) * (d < 0n ? -1n : 1n);
  return { n: n / divisor, d: d / divisor };
}

/** A rate in JSON: "16", "125/4" or a whole number; RangeError for anything else. */
export function parseRate(text) {
  const match = /^(\d+)(?:\/(\d+))?$/.exec(String(text).trim());
  if (!match || BigInt(match[1]) === 0n) {
    throw new RangeError(`Got the rate ${JSON.stringify(text)}; expected one like "16" or "125/4".`);
  }
  return fraction(BigInt(match[1]), BigInt(match[2] ?? 1));
}

/** The exact value of a finite double, like Python's Fraction(float). */
export function exactly(value) {
  if (!Number.isFinite(value)) throw new RangeError(`Got ${value}; expected a finite number.`);
  const view = new DataView(new ArrayBuffer(8));
  view.setFloat64(0, value);
  const bits = view.getBigUint64(0);
  const exponent = (bits >> 52n) & 0x7ffn;
  const rest = bits & 0xfffffffffffffn;
  // Subnormal numbers have no leading one and the exponent of the smallest normal ones.
  const size = exponent === 0n ? rest : rest | 0x10000000000000n;
  const power = (exponent === 0n ? 1n : exponent) - 1075n;
  const signed = value < 0 ? -size : size;
  return power < 0n ? fraction(signed, 1n << -power) : fraction(signed << power);
}

/** The double nearest to a fraction; both parts must be below 2^53. */
export function toNumber({ n, d }) {
  return Number(n) / Number(d);
}

/** Rates of one checkpoint, per second: frames, samples, audio latents. */
export class Timeline {
  /** fps and audioRate as for `parseRate`; the other two are whole numbers. */
  constructor({ fps, sampleRate, audioRate, temporalRatio = 4 }) {
    this.fps = parseRate(fps);
    this.sampleRate = parseRate(sampleRate);
    this.audioRate = parseRate(audioRate);
    this.temporalRatio = Number(parseRate(temporalRatio).n);
    Object.freeze(this);
  }

  /** The first latent holds one frame and each later one `temporalRatio`. */
  isLegal(frames) {
    return Number.isInteger(frames) && frames >= 1 && (frames - 1) % this.temporalRatio === 0;
  }

  /**
   * The legal frame count nearest to `seconds` (a double or a fraction), the longer one in a tie.
   * RangeError unless it is a finite number above 0.
   */
  legalFrames(seconds) {
    const length = typeof seconds === "number" ? positive(seconds) : seconds;
    if (length.n <= 0n) positive(toNumber(length));
    const ratio = BigInt(this.temporalRatio);
    const steps = times(minus(times(length, this.fps), fraction(1n)), fraction(1n, ratio));
    const nearest = floor(plus(steps, HALF));
    return Number((nearest > 0n ? nearest : 0n) * ratio + 1n);
  }

  /** Duration of `frames` frames, as a fraction of seconds. */
  seconds(frames) {
    return over(fraction(BigInt(frames)), this.fps);
  }

  /** Latent frames T of a legal frame count; RangeError for any other. */
  videoLatents(frames) {
    if (!this.isLegal(frames)) {
      const near = this.legalFrames(this.seconds(Math.max(frames, 1)));
      throw new RangeError(
        `Got ${frames} frames; expected ${this.temporalRatio}·n + 1, to fill whole latents: ` +
          `the nearest is ${near}.`,
      );
    }
    return (frames - 1) / this.temporalRatio + 1;
  }

  /** Frames F in `videoLatents` >= 1 latent frames. */
  frames(videoLatents) {
    return (videoLatents - 1) * this.temporalRatio + 1;
  }

  /** Audio latents L that cover `frames` frames; the last one may end later. */
  audioLatents(frames) {
    return Number(-floor(times(this.seconds(-frames), this.audioRate)));
  }

  /** Samples with the duration of `frames` frames, to the nearest sample. */
  audioSamples(frames) {
    return Number(floor(plus(times(this.seconds(frames), this.sampleRate), HALF)));
  }
}

function positive(seconds) {
  if (!Number.isFinite(seconds) || seconds <= 0) {
    throw new RangeError(`Got a clip length of ${seconds} s; give a length above 0 s.`);
  }
  return exactly(seconds);
}

function gcd(a, b) {
  return b === 0n ? a : gcd(b, a % b);
}

function times(a, b) {
  return fraction(a.n * b.n, a.d * b.d);
}

function over(a, b) {
  return fraction(a.n * b.d, a.d * b.n);
}

function plus(a, b) {
  return fraction(a.n * b.d + b.n * a.d, a.d * b.d);
}

function minus(a, b) {
  return plus(a, { n: -b.n, d: b.d });
}

/** The whole number below: BigInt division alone would round negative values up. */
function floor({ n, d }) {
  return n / d - (n < 0n && n % d !== 0n ? 1n : 0n);
}
