// How fast and how well it goes: bars over the last hours as inline SVG, each with a sentence and a table for those who do not see it.

import { make, set } from "./dom.js";
import { figure, lasting, percent } from "./operator-words.js";

const SVG = "http://www.w3.org/2000/svg";
const HEIGHT = 132;
const TOP = 16;
const FOOT = 18;

const ended = ({ completed = 0, failed = 0 }) => completed + failed;
/** Each chart: its bars' parts from the bottom up, and how their numbers are written. */
const CHARTS = [
  {
    key: "throughput", title: "Jobs that ended", write: (value) => figure(value, 0), least: 4,
    parts: [["done", "completed", (p) => p.completed], ["failed", "failed", (p) => p.failed], ["cancelled", "cancelled", (p) => p.cancelled]],
    headline: ({ completed, failed, cancelled }) => [`${figure(completed, 0)} done`, `${figure(failed, 0)} failed${cancelled ? `, ${figure(cancelled, 0)} cancelled` : ""}`],
  },
  {
    key: "errors", title: "Share that failed", write: percent, least: 0.05, most: 1,
    parts: [["failed", "failed", (p) => (ended(p) ? (p.failed ?? 0) / ended(p) : null)]],
    headline: ({ errorRate }) => [percent(errorRate), "of those that ended, cancelled ones left out"],
  },
  {
    key: "run", title: "Reading takes", write: lasting, least: 0.1,
    parts: [["half", "half took at most", (p) => p.runSeconds?.p50], ["most", "95 % took at most", (p) => p.runSeconds?.p95]], nested: true,
    headline: ({ runSeconds }) => [lasting(runSeconds?.p50), `95 %: ${lasting(runSeconds?.p95)}`],
  },
  {
    key: "wait", title: "Waiting takes", write: lasting, least: 0.1,
    parts: [["half", "half waited at most", (p) => p.waitSeconds?.p50], ["most", "95 % waited at most", (p) => p.waitSeconds?.p95]], nested: true,
    headline: ({ waitSeconds }) => [lasting(waitSeconds?.p50), `95 %: ${lasting(waitSeconds?.p95)}`],
  },
];

function drawn(tag, attributes, ...children) {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

/** The next of 1, 2, 5, 10, 20 … that holds `value`. */
function roundUp(value) {
  const ten = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 5, 10].map((step) => step * ten).find((step) => step >= value * 0.9999);
}

/** Seconds as they are counted: half a minute and an hour are round, 50 s and 1,000 s are not. */
const roundTime = (value) => [20, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 14_400, 28_800, 86_400].find((time) => value > 10 && time >= value) ?? roundUp(value);

const timeWords = (iso, hours) => new Date(iso).toLocaleString([], hours > 24 ? { weekday: "short", hour: "2-digit", minute: "2-digit" } : { hour: "2-digit", minute: "2-digit" });

/** Where each part of a bar ends; the parts of a nested one are told from the ground, the others one upon the other. */
function heights(point, { parts, nested }) {
  let ground = 0;
  return parts.map(([, , of]) => {
    const value = of(point) ?? 0;
    ground = nested ? Math.max(ground, value) : ground + value;
    return ground;
  });
}

function frame(chart) {
  const legend = chart.parts.length > 1 ? make("ul", { className: "legend" }, ...chart.parts.map(([kind, word]) => {
    const entry = make("li", { textContent: word });
    entry.dataset.part = kind;
    return entry;
  })) : null;
  const table = make("table", {}, make("caption", { className: "unseen", textContent: chart.title }),
    make("thead", {}, make("tr", {}, ...["from", ...chart.parts.map(([, word]) => word)].map((textContent) => make("th", { scope: "col", textContent })))), make("tbody"));
  const asTable = make("details", {}, make("summary", { textContent: "As a table" }), make("div", { className: "scroll", tabIndex: 0 }, table));
  asTable.querySelector(".scroll").setAttribute("role", "region");
  asTable.querySelector(".scroll").setAttribute("aria-label", `${chart.title}, as a table`);
  const box = make("figure", { className: "chart" }, make("figcaption", {}, make("h3", { textContent: chart.title }),
    make("p", { className: "headline" }, make("strong"), make("span"))), make("div", { className: "plot" }), legend, asTable);
  box.dataset.chart = chart.key;
  return box;
}

function plot(box, chart, { points, hours }, said) {
  const place = box.querySelector(".plot");
  const width = Math.max(240, Math.round(place.clientWidth || 480));
  const ends = points.map((point) => heights(point, chart));
  const highest = Math.max(...ends.map((parts) => parts.at(-1)), 0);
  const top = Math.min((chart.nested ? roundTime : roundUp)(Math.max(highest, chart.least)), chart.most ?? Infinity);
  const ground = HEIGHT - FOOT;
  const y = (value) => ground - (value / top) * (ground - TOP);
  const step = width / points.length;
  const gap = step > 4 ? 1 : 0;
  const bars = ends.flatMap((parts, index) => parts.map((end, part) => {
    const from = part ? parts[part - 1] : 0;
    const bar = end > from && { class: `part-${chart.parts[part][0]}`, x: (index * step).toFixed(2), width: Math.max(step - gap, 0.75).toFixed(2), y: y(end).toFixed(2), height: Math.max(y(from) - y(end), 1).toFixed(2) };
    return bar ? drawn("rect", bar) : null;
  })).filter(Boolean);
  const words = highest ? `${said}. The highest bar is ${chart.write(highest)}; there are ${points.length} of them.` : "Nothing ended in this time.";
  const id = `chart-${chart.key}`;
  const label = (x, at, text, anchor = "start") => drawn("text", { class: "axis", x, y: at, "text-anchor": anchor }, text);
  const title = drawn("title", { id: `${id}-title` }, `${chart.title} in the last ${hours === 1 ? "hour" : `${hours} hours`}`);
  place.replaceChildren(drawn("svg", { viewBox: `0 0 ${width} ${HEIGHT}`, role: "img", "aria-labelledby": `${id}-title ${id}-words` },
    title, drawn("desc", { id: `${id}-words` }, words),
    ...[top, top / 2].map((value) => drawn("line", { class: "grid", x1: 0, x2: width, y1: y(value), y2: y(value) })),
    ...bars,
    drawn("line", { class: "ground", x1: 0, x2: width, y1: ground, y2: ground }),
    label(0, y(top) - 4, chart.write(top)),
    label(0, HEIGHT - 4, timeWords(points[0].at, hours)),
    label(width / 2, HEIGHT - 4, timeWords(points[Math.floor(points.length / 2)].at, hours), "middle"),
    label(width, HEIGHT - 4, "now", "end"),
    ...(highest ? [] : [label(width / 2, (TOP + ground) / 2 + 4, "Nothing ended in this time", "middle")])));
}

/** Only the steps in which something happened; the newest first. */
function tabulate(box, chart, { points, hours }) {
  const rows = points.filter((point) => heights(point, chart).at(-1) > 0).reverse();
  const texts = rows.map((point) => [timeWords(point.at, hours), ...chart.parts.map(([, , of]) => chart.write(of(point) ?? NaN))]);
  if (!texts.length) texts.push(["Nothing ended in this time.", ...chart.parts.map(() => "")]);
  box.querySelector("tbody").replaceChildren(...texts.map((cells) => make("tr", {}, ...cells.map((textContent) => make("td", { textContent })))));
}

/** Under the pointer: what that bar says. */
function readout(box, chart, history) {
  const said = box.querySelector(".headline span");
  const place = box.querySelector(".plot");
  place.onpointermove = ({ clientX }) => {
    const { left, width } = place.getBoundingClientRect();
    const point = history.points[Math.min(history.points.length - 1, Math.max(0, Math.floor(((clientX - left) / width) * history.points.length)))];
    set(said, "textContent", [timeWords(point.at, history.hours), ...chart.parts.map(([, word, of]) => `${word} ${chart.write(of(point) ?? NaN)}`)].join(" · "));
  };
  place.onpointerleave = () => set(said, "textContent", said.dataset.rest);
}

/** The charts in `place`; `draw(history, window)` fills them. */
export function charts(place) {
  const boxes = new Map(CHARTS.map((chart) => [chart, frame(chart)]));
  place.append(...boxes.values());
  let last = null;

  function draw(history, sums) {
    last = [history, sums];
    for (const [chart, box] of boxes) {
      const [strong, rest] = chart.headline(sums);
      set(box.querySelector(".headline strong"), "textContent", strong);
      box.querySelector(".headline span").dataset.rest = rest;
      if (!box.querySelector(".plot:hover")) set(box.querySelector(".headline span"), "textContent", rest);
      plot(box, chart, history, `${strong}, ${rest}`);
      readout(box, chart, history);
      tabulate(box, chart, history);
    }
  }
  new ResizeObserver(() => last && draw(...last)).observe(place);
  return { draw };
}
