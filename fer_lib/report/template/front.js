"use strict";
// Without this script the page is complete: the strip of faces stands for the viewer.
const all = (selector, root = document) => [...root.querySelectorAll(selector)];
const levels = all('input[name="level"]');
const viewer = document.querySelector(".viewer");

function side(select) {
  const option = select.selectedOptions[0];
  return {name: option.value, label: option.text, means: (option.dataset.means || "").split(", ")};
}

function show() {
  const level = levels.find(radio => radio.checked).value;
  const sides = all("select", viewer).map(side);
  all(".strip tbody tr").forEach((row, face) => {
    const pair = all(".pair", viewer)[face];
    const captions = all("span", pair.nextElementSibling);
    sides.forEach(({name, label}, i) => {
      const cell = name === "clean" ? "clean" : `${level} ${name}`;
      const picture = all("img", row).find(img => img.dataset.cell === cell);
      all("img", pair)[i].src = picture.src;
      all("img", pair)[i].alt = `${i ? "Right" : "Left"}: ${picture.alt}`;
      captions[i].textContent = name === "clean" ? label : `SSIM ${picture.nextElementSibling.textContent}`;
    });
  });
  const means = sides.filter(({means}) => means[level]).map(({label, means}) => `${label} ${means[level]}`);
  viewer.querySelector('[role="status"]').textContent =
    means.length ? `Mean SSIM over all tested faces: ${means.join(", ")}.` : "";
}

function divide(percent) {
  const at = Math.min(100, Math.max(0, percent));
  viewer.querySelector('input[type="range"]').value = at;
  viewer.style.setProperty("--at", `${at}%`);
}

if (viewer) {
  viewer.hidden = false;
  all("select", viewer).concat(levels).forEach(input => input.addEventListener("change", show));
  viewer.querySelector('input[type="range"]').addEventListener("input", event => divide(+event.target.value));
  all(".pair", viewer).forEach(pair => {
    const move = event => {
      const box = pair.getBoundingClientRect();
      divide(100 * (event.clientX - box.left) / box.width);
    };
    pair.addEventListener("pointerdown", event => { pair.setPointerCapture(event.pointerId); move(event); });
    pair.addEventListener("pointermove", event => { if (pair.hasPointerCapture(event.pointerId)) move(event); });
  });
  divide(50);
  show();
}

// Tables sort by a click on a heading: numbers from the largest, words from a to z, then reversed.
all("table.sortable").forEach(table => all("th", table).forEach((head, column) => {
  const button = document.createElement("button");
  button.type = "button";
  button.textContent = head.textContent;
  head.replaceChildren(button);
  button.addEventListener("click", () => {
    const value = row => row.cells[column].textContent.replaceAll(",", "");
    const rows = all("tbody tr", table), numbers = rows.every(row => !isNaN(value(row)));
    const down = head.ariaSort ? head.ariaSort === "ascending" : numbers;
    all("th", table).forEach(other => other.removeAttribute("aria-sort"));
    head.ariaSort = down ? "descending" : "ascending";
    rows.sort((a, b) => numbers ? value(a) - value(b) : value(a).localeCompare(value(b)));
    table.tBodies[0].append(...(down ? rows.reverse() : rows));
  });
}));
