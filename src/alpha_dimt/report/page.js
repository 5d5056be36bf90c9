"use strict";

const data = JSON.parse(document.getElementById("data").textContent);

// Charts: in colours for the paper that they are on.
const dark = matchMedia("(prefers-color-scheme: dark)");
let drawn = [];

async function drawCharts(scheme) {
  drawn.forEach((chart) => chart.finalize());
  drawn = await Promise.all(Object.entries(data.charts).map(([name, chart]) => {
    chart.config.range.category = data.palettes[scheme];
    return vegaEmbed(`#chart-${name}`, structuredClone(chart), {
      renderer: "svg",
      tooltip: { theme: scheme },
      actions: { export: true, source: false, compiled: false, editor: false },
    });
  }));
}

const drawAsRead = () => drawCharts(dark.matches ? "dark" : "light");
dark.addEventListener("change", drawAsRead);
drawAsRead();

// On paper, which is light, everything is unfolded.
let unfolded = [];
addEventListener("beforeprint", () => {
  if (dark.matches) drawCharts("light");
  unfolded = [...document.querySelectorAll("details:not([open], .vega-embed details)")];
  unfolded.forEach((details) => { details.open = true; });
});
addEventListener("afterprint", () => {
  if (dark.matches) drawCharts("dark");
  unfolded.forEach((details) => { details.open = false; });
});

// Contents: the section that is read is marked.
const entries = new Map([...document.querySelectorAll("nav a")].map((link) => [link.hash.slice(1), link]));
const reading = new IntersectionObserver((seen) => {
  for (const { target, isIntersecting } of seen) {
    if (isIntersecting) entries.get(target.id).setAttribute("aria-current", "true");
    else entries.get(target.id).removeAttribute("aria-current");
  }
}, { rootMargin: "-20% 0px -80% 0px" });
document.querySelectorAll("main > section").forEach((section) => reading.observe(section));

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

// Filters: rows and sentences that lack one of the words typed are hidden.
for (const filter of document.querySelectorAll("input[data-filters]")) {
  const target = document.getElementById(filter.dataset.filters);
  const found = document.getElementById(`${target.id}-found`);
  filter.addEventListener("input", () => {
    const items = [...(target.tBodies?.[0].rows ?? target.children)];
    const words = filter.value.toLowerCase().split(/\s+/);
    for (const item of items) {
      const text = item.textContent.toLowerCase();
      item.hidden = !words.every((word) => text.includes(word));
      const folded = item.querySelector("details");
      if (folded) folded.open = !item.hidden && filter.value.trim() !== "";
    }
    const shown = items.filter((item) => !item.hidden).length;
    found.textContent = shown < items.length ? `${shown} of ${items.length}` : "";
  });
}
