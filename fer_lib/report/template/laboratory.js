"use strict";
// What the laboratory computes: noise, filters, SSIM and networks, on gray pictures of SIDE x SIDE
// values in [0, 1]. Nothing here touches the page, so that the same text runs in a worker and in node.
const SIDE = 48, PIXELS = SIDE * SIDE;

const clamp = x => Math.min(1, Math.max(0, x));
const mirror = (i, n) => { // what scipy calls "reflect": d c b a | a b c d | d c b a
  i = ((i % (2 * n)) + 2 * n) % (2 * n);
  return i < n ? i : 2 * n - 1 - i;
};

// ---- Noise ----

// Mulberry32, a generator of 32 bits. Not numpy's: these draws are the page's own, seeded by a number,
// so that the same picture, seed and level give the same noise in every browser.
function generator(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

// Each pixel has two uniform draws, whatever the level: a slider makes the same noise weaker or stronger.
const normal = (u, v) => Math.sqrt(-2 * Math.log(1 - u)) * Math.cos(2 * Math.PI * v);

function poisson(mean, u) { // inverts the distribution function; means are at most a hundred
  let count = 0, term = Math.exp(-mean), sum = term;
  while (sum < u && count < 400) sum += term *= mean / ++count;
  return count;
}

const NOISES = {
  "gaussian": (x, level, u, v) => x + level * normal(u, v),
  "poisson": (x, level, u) => poisson(level * x, u) / level,
  "salt-and-pepper": (x, level, u) => u >= 1 - level / 2 ? 1 : u < level / 2 ? 0 : x,
  "speckle": (x, level, u, v) => x * (1 + level * normal(u, v)),
};

/** The noisy picture, cut to [0, 1] as a camera does. */
function corrupt(picture, noise, level, seed) {
  const draw = generator(seed);
  return Float32Array.from(picture, x => clamp(NOISES[noise](x, level, draw(), draw())));
}

// ---- Filters: scipy's gaussian_filter and median_filter with their defaults ----

function blur(picture, sigma) {
  const radius = Math.floor(4 * sigma + 0.5), bell = [];
  for (let i = -radius; i <= radius; i++) bell.push(Math.exp(-0.5 * (i / sigma) ** 2));
  const total = bell.reduce((a, b) => a + b);
  const pass = (image, step, other) => {
    const output = new Float64Array(PIXELS);
    for (let line = 0; line < SIDE; line++) for (let i = 0; i < SIDE; i++) {
      let sum = 0;
      for (let k = -radius; k <= radius; k++) sum += bell[k + radius] * image[line * other + mirror(i + k, SIDE) * step];
      output[line * other + i * step] = sum / total;
    }
    return output;
  };
  return Float32Array.from(pass(pass(picture, SIDE, 1), 1, SIDE));
}

function median(picture, size) {
  const half = size >> 1, window = new Float32Array(size * size), output = new Float32Array(PIXELS);
  for (let y = 0; y < SIDE; y++) for (let x = 0; x < SIDE; x++) {
    let n = 0;
    for (let dy = -half; dy <= half; dy++) for (let dx = -half; dx <= half; dx++)
      window[n++] = picture[mirror(y + dy, SIDE) * SIDE + mirror(x + dx, SIDE)];
    output[y * SIDE + x] = window.sort()[window.length >> 1];
  }
  return output;
}

const SIGMAS = [0.3, 0.5, 0.6, 0.7, 0.85, 1, 1.2, 1.4, 1.7, 2, 2.5, 3], SIZES = [1, 3, 5, 7, 9, 11];

/** The filter's output at that of its strengths which has the highest SSIM with the clean picture. */
function best(filter, strengths, noisy, clean) {
  const tried = strengths.map(strength => {
    const output = filter(noisy, strength);
    return {strength, output, ssim: ssim(output, clean)};
  });
  return tried.reduce((a, b) => b.ssim > a.ssim ? b : a);
}

// ---- SSIM: scikit-image's default, windows of 7 x 7 pixels inside the picture, range 1 ----

function ssim(a, b) {
  const c1 = 0.01 ** 2, c2 = 0.03 ** 2, n = 49;
  let total = 0, windows = 0;
  for (let y = 0; y + 7 <= SIDE; y++) for (let x = 0; x + 7 <= SIDE; x++) {
    let sa = 0, sb = 0, aa = 0, bb = 0, ab = 0;
    for (let i = y; i < y + 7; i++) for (let j = x; j < x + 7; j++) {
      const p = a[i * SIDE + j], q = b[i * SIDE + j];
      sa += p; sb += q; aa += p * p; bb += q * q; ab += p * q;
    }
    const ma = sa / n, mb = sb / n, sample = n / (n - 1);
    const va = sample * (aa / n - ma * ma), vb = sample * (bb / n - mb * mb), vab = sample * (ab / n - ma * mb);
    total += (2 * ma * mb + c1) * (2 * vab + c2) / ((ma * ma + mb * mb + c1) * (va + vb + c2));
    windows++;
  }
  return total / windows;
}

// ---- Matrix product ----

// Nearly all the time goes into products of matrices. JavaScript multiplies one number at a time, four
// at a time only in WebAssembly; so this one loop is WebAssembly, put together here, byte by byte.
// multiply(left, right, out, inner, rows, columns, pitch), byte addresses and sizes:
//   left  [rows / 4][inner][4], right [columns / 8][inner][8], out [rows], each `pitch` bytes long.
// It keeps 4 rows x 8 columns of sums in registers.
function kernel() {
  const number = n => { const out = []; do { out.push((n & 127) | (n > 127 ? 128 : 0)); n >>>= 7; } while (n); return out; };
  const signed = n => n >= -64 && n < 64 ? [n & 127] : [(n & 127) | 128, ...signed(n >> 7)];
  const section = (id, ...content) => { const bytes = content.flat(Infinity); return [id, ...number(bytes.length), ...bytes]; };
  const get = i => [0x20, i], set = i => [0x21, i], tee = i => [0x22, i], constant = n => [0x41, ...signed(n)];
  const add = 0x6a, times = 0x6c, simd = n => [0xfd, ...number(n)];
  const at = (offset, align) => [align, ...number(offset)];
  const bump = (i, n) => [get(i), constant(n), add, set(i)];
  // do { body; i -= step } while (i > 0)
  const loop = (i, step, ...body) => [0x03, 0x40, body, get(i), constant(-step), add, tee(i), constant(0), 0x4a, 0x0d, 0, 0x0b];
  const [LEFT, RIGHT, OUT, INNER, ROWS, COLUMNS, PITCH] = [0, 1, 2, 3, 4, 5, 6];
  const [W, X, Y, K, M, LOW, HIGH, ONE] = [7, 8, 9, 10, 11, 12, 13, 14], SUMS = 15;
  const four = [0, 1, 2, 3], eight = [0, 1, 2, 3, 4, 5, 6, 7];
  const body = [
    loop(COLUMNS, 8,
      get(LEFT), set(W), get(OUT), set(Y), get(ROWS), set(M),
      loop(M, 4,
        get(RIGHT), set(X), get(INNER), set(K),
        eight.map(s => [constant(0), simd(17), set(SUMS + s)]), // i32x4.splat
        loop(K, 1,
          get(X), simd(0), at(0, 4), set(LOW), get(X), simd(0), at(16, 4), set(HIGH), // v128.load
          four.map(r => [
            get(W), simd(9), at(4 * r, 2), set(ONE), // v128.load32_splat
            [LOW, HIGH].map((part, c) => [get(SUMS + 2 * r + c), get(ONE), get(part), simd(230), simd(228), set(SUMS + 2 * r + c)]),
          ]), // f32x4.mul, f32x4.add
          bump(W, 16), bump(X, 32)),
        four.map(r => [0, 1].map(c => [get(Y), get(SUMS + 2 * r + c), simd(11), at(16 * c, 4)]).concat([get(Y), get(PITCH), add, set(Y)]))),
      get(INNER), constant(32), times, get(RIGHT), add, set(RIGHT), bump(OUT, 32)),
    0x0b,
  ].flat(Infinity);
  const code = [2, 5, 0x7f, 11, 0x7b, ...body]; // locals: 5 integers, 11 vectors
  return Uint8Array.from([
    [0, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
    section(1, 1, 0x60, 7, four.map(() => 0x7f), [0x7f, 0x7f, 0x7f], 0), // (7 integers) -> nothing
    section(2, 1, 1, 0x65, 1, 0x6d, 2, 0, 1), // import memory "e" "m"
    section(3, 1, 0),
    section(7, 1, 1, 0x66, 0, 0), // export function "f"
    section(10, 1, number(code.length), code),
  ].flat(Infinity));
}

/** Memory for numbers, given out from the start and taken back by `free`; grows when it must. */
class Heap {
  constructor(plain = false) {
    this.memory = new WebAssembly.Memory({initial: 256});
    this.top = 0;
    try {
      this.product = !plain && new WebAssembly.Instance(new WebAssembly.Module(kernel()), {e: {m: this.memory}}).exports.f;
    } catch { // a browser from before vectors (2021 to 2023): the same in JavaScript, slower
      this.product = null;
    }
  }

  get values() { return new Float32Array(this.memory.buffer); }

  take(count) {
    const place = this.top, lacking = 4 * (this.top += (count + 7) & ~7) - this.memory.buffer.byteLength;
    if (lacking > 0) this.memory.grow(Math.ceil(lacking / 65536) + 256);
    return place;
  }

  multiply(left, right, out, inner, rows, columns) {
    if (this.product) return this.product(4 * left, 4 * right, 4 * out, inner, rows, columns, 4 * columns);
    const v = this.values;
    for (let n = 0; n < columns; n += 8) for (let m = 0; m < rows; m++) for (let c = 0; c < 8; c++) {
      let sum = 0;
      const a = left + (m >> 2) * 4 * inner + (m & 3), b = right + n * inner + c;
      for (let k = 0; k < inner; k++) sum += v[a + 4 * k] * v[b + 8 * k];
      v[out + m * columns + n + c] = sum;
    }
  }
}

// ---- Networks ----

function bytes(text) {
  const letters = atob(text), out = new Uint8Array(letters.length);
  for (let i = 0; i < out.length; i++) out[i] = letters.charCodeAt(i);
  return out;
}

/** A network from what fer_lib/report/laboratory.py writes: {layers: [name, transposed, stride, out, in, side],
    weights, numbers, floats}. weights: of each layer [out][in][side][side], 8-bit whole numbers, whose
    `buffer` comes from `unpack`, or, for tests, floats; numbers: of each layer the scales of its output
    channels, then their biases. */
class Network {
  constructor(record, plain) {
    this.heap = new Heap(plain);
    const raw = record.buffer || bytes(record.weights).buffer, numbers = new Float32Array(bytes(record.numbers).buffer);
    const weights = record.floats ? new Float32Array(raw) : new Int8Array(raw);
    this.layers = {};
    this.names = record.layers.map(([name]) => name);
    let place = 0, number = 0;
    for (const [name, transposed, stride, out, inputs, side] of record.layers) {
      const taps = side * side, grows = transposed && stride > 1, inner = grows ? inputs : inputs * taps;
      const rows = grows ? out * taps : out, padded = (rows + 3) & ~3, at = this.heap.take(padded * inner), v = this.heap.values;
      for (let o = 0; o < out; o++) for (let i = 0; i < inputs; i++) for (let t = 0; t < taps; t++) {
        // With stride 1, a transposed convolution is one with the kernel turned around.
        const tap = transposed && !grows ? taps - 1 - t : t, row = grows ? o * taps + t : o, k = grows ? i : i * taps + tap;
        v[at + ((row >> 2) * inner + k) * 4 + (row & 3)] = weights[place++] * (record.floats ? 1 : numbers[number + o]);
      }
      this.layers[name] = {grows, out, side, stride, inner, rows: padded, at, bias: numbers.slice(number + out, number + 2 * out)};
      number += 2 * out;
    }
    this.start = this.heap.top;
  }

  // A tensor is {at, channels, side, pitch}: channels of side x side values, `pitch` from one to the next.

  tensor(channels, side) {
    const pitch = (side * side + 7) & ~7;
    return {at: this.heap.take(((channels + 3) & ~3) * pitch), channels, side, pitch};
  }

  enter(channels, side, value) { // value: (channel, place) -> number
    const x = this.tensor(channels, side), v = this.heap.values;
    for (let c = 0; c < channels; c++) for (let i = 0; i < side * side; i++) v[x.at + c * x.pitch + i] = value(c, i);
    return x;
  }

  /** A layer of the network; then, if asked for, plus another tensor, and then an activation. */
  apply(name, x, {plus = null, then = null} = {}) {
    const layer = this.layers[name], y = layer.grows ? this.grow(layer, x) : this.convolve(layer, x);
    const v = this.heap.values, n = y.side * y.side;
    for (let c = 0; c < y.channels; c++) {
      const first = y.at + c * y.pitch, other = plus && plus.at + c * plus.pitch, bias = layer.bias[c];
      for (let i = 0; i < n; i++) {
        const sum = v[first + i] + bias + (plus ? v[other + i] : 0);
        v[first + i] = then === "relu" ? Math.max(0, sum) : then === "tanh" ? Math.tanh(sum) : sum;
      }
    }
    return y;
  }

  /** Convolution: every window of the padded picture becomes a column, then one product of matrices. */
  convolve({at, out, inner, rows, side, stride}, x) {
    const edge = side === 3 ? 1 : 0, wide = x.side + 2 * edge, size = Math.floor((wide - side) / stride) + 1;
    const y = this.tensor(out, size), before = this.heap.top, columns = y.pitch;
    const padded = this.heap.take(x.channels * wide * wide), right = this.heap.take(inner * columns), v = this.heap.values;
    v.fill(0, padded, padded + x.channels * wide * wide);
    for (let c = 0; c < x.channels; c++) for (let row = 0; row < x.side; row++) {
      const from = x.at + c * x.pitch + row * x.side;
      v.copyWithin(padded + (c * wide + row + edge) * wide + edge, from, from + x.side);
    }
    const corners = new Int32Array(columns).fill(padded), taps = new Int32Array(inner);
    for (let i = 0; i < size * size; i++) corners[i] = padded + (Math.floor(i / size) * wide + i % size) * stride;
    for (let k = 0; k < inner; k++) {
      const tap = k % (side * side);
      taps[k] = (Math.floor(k / (side * side)) * wide + Math.floor(tap / side)) * wide + tap % side;
    }
    let to = right;
    for (let n = 0; n < columns; n += 8) {
      const a = corners[n], b = corners[n + 1], c = corners[n + 2], d = corners[n + 3];
      const e = corners[n + 4], f = corners[n + 5], g = corners[n + 6], h = corners[n + 7];
      for (let k = 0; k < inner; k++, to += 8) {
        const tap = taps[k];
        v[to] = v[a + tap]; v[to + 1] = v[b + tap]; v[to + 2] = v[c + tap]; v[to + 3] = v[d + tap];
        v[to + 4] = v[e + tap]; v[to + 5] = v[f + tap]; v[to + 6] = v[g + tap]; v[to + 7] = v[h + tap];
      }
    }
    this.heap.multiply(at, right, y.at, inner, rows, columns);
    this.heap.top = before;
    return y;
  }

  /** The mean of each 2 x 2 values. */
  halve(x) {
    const half = x.side / 2, y = this.tensor(x.channels, half), v = this.heap.values;
    for (let c = 0; c < x.channels; c++) for (let i = 0; i < half * half; i++) {
      const corner = x.at + c * x.pitch + 2 * Math.floor(i / half) * x.side + 2 * (i % half);
      v[y.at + c * y.pitch + i] = (v[corner] + v[corner + 1] + v[corner + x.side] + v[corner + x.side + 1]) / 4;
    }
    return y;
  }

  /** Transposed convolution that doubles the side: each input value spreads over a window. */
  grow({at, out, inner, rows, side}, x) {
    const size = 2 * x.side, edge = side === 3 ? 1 : 0, y = this.tensor(out, size), before = this.heap.top;
    const right = this.heap.take(inner * x.pitch), spread = this.heap.take(rows * x.pitch), v = this.heap.values;
    for (let n = 0, to = right; n < x.pitch; n += 8) for (let k = 0; k < inner; k++, to += 8)
      for (let c = 0, from = x.at + k * x.pitch + n; c < 8; c++) v[to + c] = v[from + c];
    this.heap.multiply(at, right, spread, inner, rows, x.pitch);
    v.fill(0, y.at, y.at + out * y.pitch);
    for (let o = 0; o < out; o++) for (let a = 0; a < side; a++) for (let b = 0; b < side; b++) {
      const from = spread + ((o * side + a) * side + b) * x.pitch;
      for (let i = a < edge ? 1 : 0; i < x.side; i++) {
        const to = y.at + o * y.pitch + (2 * i + a - edge) * size + b - edge;
        for (let j = b < edge ? 1 : 0; j < x.side; j++) v[to + 2 * j] += v[from + i * x.side + j];
      }
    }
    this.heap.top = before;
    return y;
  }
}

/** Where pixel unshuffling finds value i of channel c. */
const fold = (c, i) => (2 * Math.floor(i / (SIDE / 2)) + (c >> 1)) * SIDE + 2 * (i % (SIDE / 2)) + (c & 1);

/** `Compact` of fer_lib/methods/networks.py, cut to [0, 1]. */
function compact(network, picture) {
  const half = SIDE / 2;
  network.heap.top = network.start;
  const block = (name, x) => network.apply(`${name}.conv2`, network.apply(`${name}.conv1`, x, {then: "relu"}), {plus: x});
  const blocks = (name, x) => block(`${name}.1`, block(`${name}.0`, x));
  const large = blocks("down1", network.apply("head", network.enter(4, half, (c, i) => picture[fold(c, i)])));
  const middle = blocks("down2", network.apply("shrink1", large));
  const small = blocks("bottom", network.apply("shrink2", middle));
  const up = blocks("up2", network.apply("grow2", small, {plus: middle}));
  const noise = network.apply("tail", blocks("up1", network.apply("grow1", up, {plus: large})));
  const output = new Float32Array(PIXELS), v = network.heap.values;
  for (let c = 0; c < 4; c++) for (let i = 0; i < half * half; i++)
    output[fold(c, i)] = clamp(picture[fold(c, i)] - v[noise.at + c * noise.pitch + i]);
  return output;
}

const flip = picture => picture.map((_, i) => picture[i - i % SIDE + SIDE - 1 - i % SIDE]);

/** fer_lib's `denoise`: the mean of what the compact network makes of a picture and of its mirror image. */
function denoise(network, picture) {
  const one = compact(network, picture), other = flip(compact(network, flip(picture)));
  return one.map((value, i) => (value + other[i]) / 2);
}

const EMOTIONS = ["neutral", "happiness", "surprise", "sadness", "anger", "disgust", "fear", "contempt"];

/** `Recogniser` of fer_lib/recognition/recogniser.py: the probability of each of EMOTIONS. */
function recognise(network, picture) {
  const half = SIDE / 2, names = network.names, relu = {then: "relu"};
  network.heap.top = network.start;
  let x = network.apply(names[0], network.enter(4, half, (c, i) => picture[fold(c, i)]), relu);
  const blocks = new Set(names.filter(name => name.includes("conv")).map(name => name.split(".")[0]));
  for (const block of blocks) {
    const conv = `${block}.conv1.0`, project = `${block}.skip.1.0`, inside = network.apply(conv, x, relu);
    if (network.layers[conv].stride === 2) x = network.halve(x);
    if (network.layers[project]) x = network.apply(project, x);
    x = network.apply(`${block}.conv2.0`, inside, {plus: x, ...relu});
  }
  const v = network.heap.values, n = x.side * x.side, means = [];
  for (let c = 0, at = x.at; c < x.channels; c++, at += x.pitch) means.push(v.subarray(at, at + n).reduce((a, b) => a + b) / n);
  const y = network.apply(names[names.length - 1], network.enter(x.channels, 1, c => means[c]));
  const scores = EMOTIONS.map((_, c) => network.heap.values[y.at + c * y.pitch]);
  const powers = scores.map(score => Math.exp(score - Math.max(...scores))), total = powers.reduce((a, b) => a + b);
  return powers.map(power => power / total);
}

/** The picture at twice its side, as PyTorch's bilinear resize makes it. */
function enlarge(picture) {
  const size = 2 * SIDE, output = new Float32Array(size * size);
  const near = i => Math.min(SIDE - 1, i >> 1), far = i => Math.min(SIDE - 1, Math.max(0, (i >> 1) + (i & 1 ? 1 : -1)));
  for (let y = 0; y < size; y++) for (let x = 0; x < size; x++) {
    const [top, below] = [near(y), far(y)].map(r => 0.75 * picture[r * SIDE + near(x)] + 0.25 * picture[r * SIDE + far(x)]);
    output[y * size + x] = 0.75 * top + 0.25 * below;
  }
  return output;
}

/** The paper's network, `CAE` of fer_lib/autoencoder.py, in the way of the protocol "camera noise". */
function autoencoder(network, picture) {
  network.heap.top = network.start;
  const large = enlarge(picture), side = 2 * SIDE;
  let x = network.enter(3, side, (c, i) => 2 * large[i] - 1);
  for (const stage of [0, 3, 6, 9]) {
    const name = `encoder.${stage}`, inside = network.apply(`${name}.conv1`, x, {then: "relu"});
    const skip = network.apply(`${name}.skip`, x);
    x = network.apply(`${name}.conv2`, inside, {plus: skip, then: "relu"});
    x = network.apply(`encoder.${stage + 1}`, x, {then: "relu"});
  }
  for (const stage of [0, 2, 4, 6, 8, 10])
    x = network.apply(`decoder.${stage}`, x, {then: stage === 10 ? "tanh" : "relu"});
  const output = new Float32Array(PIXELS), v = network.heap.values;
  for (let i = 0; i < PIXELS; i++) {
    const corner = 2 * Math.floor(i / SIDE) * side + 2 * (i % SIDE);
    let sum = 0;
    for (let c = 0; c < 3; c++) for (const place of [0, 1, side, side + 1]) sum += v[x.at + c * x.pitch + corner + place];
    output[i] = clamp((sum / 12 + 1) / 2);
  }
  return output;
}

// ---- A picture of the reader's own ----

/** Mean of all pixels behind each of SIDE x SIDE values: RGBA of a square with a side of k SIDE -> gray. */
function shrink(rgba, side) {
  const k = side / SIDE, output = new Float32Array(PIXELS);
  for (let y = 0; y < side; y++) for (let x = 0; x < side; x++) {
    const p = 4 * (y * side + x), gray = 0.299 * rgba[p] + 0.587 * rgba[p + 1] + 0.114 * rgba[p + 2];
    output[Math.floor(y / k) * SIDE + Math.floor(x / k)] += gray / (255 * k * k);
  }
  return output.map(clamp);
}

// ---- All methods on one picture, one result after the other ----

const RUN = {
  noisy: (_, noisy) => ({output: noisy}),
  blur: (_, noisy, clean) => best(blur, SIGMAS, noisy, clean),
  median: (_, noisy, clean) => best(median, SIZES, noisy, clean),
  compact: (networks, noisy) => ({output: denoise(networks.compact, noisy)}),
  cae: (networks, noisy) => ({output: autoencoder(networks.cae, noisy)}),
};

/** {clean, noise, level, seed} -> for the clean picture and each method {method, output, ssim, milliseconds,
    strength, named}; named: what the recogniser gives each of EMOTIONS, where there is one. */
function* results(networks, {clean, noise, level, seed}) {
  const noisy = corrupt(clean, noise, level, seed), named = x => networks.recogniser && recognise(networks.recogniser, x);
  yield {method: "clean", output: clean, ssim: 1, named: named(clean)};
  for (const method of Object.keys(RUN)) {
    if (["compact", "cae"].includes(method) && !networks[method]) continue; // too large for a page
    const start = performance.now(), result = RUN[method](networks, noisy, clean);
    const milliseconds = performance.now() - start;
    yield {method, milliseconds, ...result, ssim: ssim(result.output, clean), named: named(result.output)};
  }
}

async function unpack(records) {
  const networks = {};
  for (const [name, record] of Object.entries(records)) {
    const whole = new Blob([bytes(record.weights)]).stream().pipeThrough(new DecompressionStream("deflate"));
    networks[name] = new Network({...record, buffer: await new Response(whole).arrayBuffer()});
  }
  return networks;
}

if (typeof module !== "undefined") // in node, for the tests
  module.exports = {SIDE, NOISES, SIGMAS, SIZES, corrupt, blur, median, best, ssim, Network, compact, denoise, autoencoder, recognise, EMOTIONS, enlarge, shrink, results, unpack, generator};
if (typeof importScripts === "function") { // in a worker: the first message has the networks
  let networks;
  onmessage = async ({data}) => {
    try {
      if (data.records) networks = await unpack(data.records);
      else for (const result of results(networks, data)) postMessage(result);
      postMessage("done");
    } catch (error) {
      setTimeout(() => { throw error; }); // a promise's failure would not reach the page
    }
  };
}
