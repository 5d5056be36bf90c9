"use strict";

const data = JSON.parse(document.getElementById("data").textContent);

for (const [name, chart] of Object.entries(data.charts)) {
  const place = document.getElementById(`chart-${name}`);
  vegaEmbed(place, chart, { renderer: "svg", actions: { export: true, source: false, compiled: false, editor: false } });
}

// Attention: a row a target token, a column a source token.
const sentence = document.getElementById("attention-sentence");
const system = document.getElementById("attention-system");
const picture = document.getElementById("attention");

function cell(kind, text, scope) {
  const element = document.createElement(kind);
  element.textContent = text;
  if (scope) element.scope = scope;
  return element;
}

function drawAttention() {
  const example = data.examples[sentence.value];
  const translation = example.translations.find((one) => one.system === system.value);
  const head = document.createElement("thead");
  const names = head.insertRow();
  names.append(cell("td", ""), ...example.source.map((token) => cell("th", token, "col")));
  const body = document.createElement("tbody");
  translation.tokens.forEach((token, step) => {
    const row = body.insertRow();
    row.append(cell("th", token, "row"));
    translation.attention[step].forEach((weight, place) => {
      const box = row.insertCell();
      box.style.setProperty("--weight", weight);
      box.title = `${token} ← ${example.source[place]}: ${weight.toFixed(2)}`;
    });
  });
  picture.replaceChildren(head, body);
  picture.setAttribute("aria-label",
    `Attention of ${translation.system} in sentence ${example.line}: ` +
    translation.tokens.map((token, step) => {
      const weights = translation.attention[step];
      return `${token} looks at ${example.source[weights.indexOf(Math.max(...weights))]}`;
    }).join("; "));
}

if (picture) {
  sentence.addEventListener("change", drawAttention);
  system.addEventListener("change", drawAttention);
  drawAttention();
}

// Filters: rows that lack one of the words typed are hidden.
for (const filter of document.querySelectorAll("input[data-filters]")) {
  filter.addEventListener("input", () => {
    const words = filter.value.toLowerCase().split(/\s+/);
    for (const row of document.getElementById(filter.dataset.filters).tBodies[0].rows) {
      const text = row.textContent.toLowerCase();
      row.hidden = !words.every((word) => text.includes(word));
    }
  });
}
