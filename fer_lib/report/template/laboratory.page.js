"use strict";
// What the reader sees and touches. All that takes time is done by a worker, so that sliders do not stick.
const one = (selector, root = document) => root.querySelector(selector);
const form = one(".lab"), told = one(".told"), slider = one(".level input");
const LEVELS = { // of each noise: its name, what the level is, smallest, largest, step, first
  "gaussian": ["Gaussian", "Standard deviation", 0, 1, 0.01, 0.2],
  "poisson": ["few photons", "Photons of a white pixel (fewer: more noise)", 2, 100, 1, 10],
  "salt-and-pepper": ["salt and pepper", "Share of pixels replaced", 0, 0.6, 0.01, 0.2],
  "speckle": ["speckle", "Relative standard deviation", 0, 1, 0.01, 0.5],
};
const LABELS = {noisy: "the noisy picture itself", blur: "the Gaussian blur", median: "the median filter", cae: "the paper’s network", compact: "ours"};
const records = JSON.parse(one("#data").textContent), pictures = [];
let seed = 1, busy = true, waiting = false, shown = {}, talk = 0;

function draw(canvas, picture) {
  const image = new ImageData(SIDE, SIDE);
  picture.forEach((value, i) => image.data.set([value * 255 + 0.5, value * 255 + 0.5, value * 255 + 0.5, 255], 4 * i));
  canvas.width = canvas.height = SIDE;
  canvas.getContext("2d").putImageData(image, 0, 0);
}

function radio(group, name, value, label, ...inside) {
  const holder = document.createElement("label"), input = document.createElement("input");
  Object.assign(input, {type: "radio", name, value});
  if (!inside.length) holder.append(input, label);
  else { input.setAttribute("aria-label", label); holder.title = label; holder.append(input, ...inside); }
  one(`${group} div`).append(holder);
  return input;
}

function offer(picture, label) {
  const canvas = document.createElement("canvas");
  canvas.setAttribute("aria-hidden", "true");
  draw(canvas, picture);
  return radio(".faces", "picture", pictures.push(picture) - 1, label, canvas);
}

const noise = () => form.elements.noise.value;

function level() {
  const [, label, min, max, step, value] = LEVELS[noise()];
  Object.assign(slider, {min, max, step, value});
  one(".level .name").textContent = label;
}

/** Asks for what the controls say now; while the worker is busy, for the last that was asked. */
function ask() {
  one(".level output").textContent = slider.value;
  if (busy) { waiting = true; return; }
  busy = true;
  shown = {};
  const clean = pictures[one(".faces :checked").value];
  send({clean, noise: noise(), level: +slider.value, seed});
}

function show({method, output, ssim, milliseconds, strength, named}) {
  const figure = one(`[data-method="${method}"]`), canvas = one("canvas", figure);
  draw(canvas, output);
  one("b", figure).textContent = ssim.toFixed(method === "clean" ? 0 : 2);
  canvas.setAttribute("aria-label", `${one("figcaption span", figure).textContent}, SSIM ${ssim.toFixed(2)}`);
  figure.style.setProperty("--ssim", `${Math.max(0, 100 * ssim)}%`);
  if (strength) one("small", figure).textContent = `at its best: ${method === "blur" ? strength : `${strength}×${strength}`} pixel${strength === 1 ? "" : "s"}`;
  if (named) one("ul", figure).replaceChildren(...named.map((chance, i) => {
    const line = document.createElement("li"), percent = `${Math.round(100 * chance)}%`;
    line.append(EMOTIONS[i], Object.assign(document.createElement("span"), {textContent: percent}));
    line.style.setProperty("--chance", `${100 * chance}%`);
    line.classList.toggle("most", chance === Math.max(...named));
    return line;
  }));
  shown[method] = {ssim, milliseconds};
}

function finish() {
  busy = false;
  if (waiting) { waiting = false; return ask(); }
  if (!shown.noisy) return;
  const there = Object.keys(LABELS).filter(method => shown[method]);
  const first = there.reduce((a, b) => shown[b].ssim > shown[a].ssim ? b : a);
  document.querySelectorAll("[data-method]").forEach(figure => figure.classList.toggle("best", figure.dataset.method === first));
  clearTimeout(talk); // a screen reader hears the result once the slider rests
  talk = setTimeout(() => {
    const said = there.sort((a, b) => shown[b].ssim - shown[a].ssim).map(method => `${LABELS[method]} ${shown[method].ssim.toFixed(2)}`);
    told.textContent = `Highest SSIM: ${said[0]}. Then ${said.slice(1).join(", ")}.`;
    const times = ["cae", "compact"].filter(method => shown[method]).map(method => `${LABELS[method]} ${Math.round(shown[method].milliseconds)} ms`);
    one(".times").textContent = `Time of the last pass in this browser: ${times.join(", ")} (two passes, one of the mirror image).`;
    form.dataset.state = "ready";
  }, 250);
}

const take = result => result === "done" ? finish() : show(result);
let send;

/** Where there is no worker, the page computes itself, and breathes between two methods. */
async function alone() {
  let networks;
  try {
    networks = await unpack(records.networks);
  } catch {
    told.textContent = "This browser cannot unpack the networks: take one from 2023 or later.";
    return;
  }
  send = request => {
    const steps = results(networks, request);
    const next = () => {
      const {value, done} = steps.next();
      take(done ? "done" : value);
      if (!done) setTimeout(next);
    };
    setTimeout(next);
  };
  waiting = true; // a worker may have failed in the middle
  finish();
}

function start() {
  try {
    const worker = new Worker(URL.createObjectURL(new Blob([one("#compute").textContent], {type: "text/javascript"})));
    worker.onmessage = ({data}) => take(data);
    worker.onerror = event => { event.preventDefault(); worker.terminate(); alone(); };
    send = request => worker.postMessage(request);
    send({records: records.networks});
  } catch {
    alone();
  }
}

/** A picture of the reader's own: its centred square, in gray, at SIDE x SIDE. */
async function own(file) {
  let image;
  try {
    image = await createImageBitmap(file);
  } catch {
    told.textContent = "This browser cannot read that file as a picture.";
    return;
  }
  const square = Math.min(image.width, image.height), side = SIDE * Math.min(16, Math.max(1, Math.floor(square / SIDE)));
  const canvas = Object.assign(document.createElement("canvas"), {width: side, height: side}), context = canvas.getContext("2d");
  context.fillStyle = "#fff"; // behind transparent pictures
  context.fillRect(0, 0, side, side);
  context.imageSmoothingQuality = "high";
  context.drawImage(image, (image.width - square) / 2, (image.height - square) / 2, square, square, 0, 0, side, side);
  const input = offer(shrink(context.getImageData(0, 0, side, side).data, side), `Your picture ${pictures.length - records.pictures.length + 1}`);
  input.checked = true;
  ask();
}

records.pictures.forEach((text, i) =>
  offer(Float32Array.from(bytes(text), value => value / 255), i ? `Test face ${i}` : "The astronaut Eileen Collins"));
Object.entries(LEVELS).forEach(([name, [label]]) => radio(".pills", "noise", name, label));
one(`.faces input[value="${Math.min(2, pictures.length - 1)}"]`).checked = true;
form.elements.noise.value = "gaussian";
level();
form.hidden = false;
form.addEventListener("submit", event => event.preventDefault());
form.addEventListener("change", event => {
  if (event.target.type === "file") return event.target.files[0] && own(event.target.files[0]);
  if (event.target.name === "noise") level();
  ask();
});
slider.addEventListener("input", ask);
one("button", form).addEventListener("click", () => {
  one(".seed").textContent = ++seed;
  ask();
});
const dragged = on => event => {
  event.preventDefault();
  form.classList.toggle("dragged", on);
};
document.addEventListener("dragover", dragged(true));
document.addEventListener("dragleave", dragged(false));
document.addEventListener("drop", event => {
  dragged(false)(event);
  if (event.dataTransfer.files[0]) own(event.dataTransfer.files[0]);
});
told.textContent = "Unpacking the networks…";
ask();
start();
