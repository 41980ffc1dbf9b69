// Asks one question of every variant at once. Whatever comes from a server or a run is set as text, never as HTML.

const find = (id) => document.getElementById(id);
const form = find("ask"), question = find("question"), status = find("status");
const send = find("send"), stop = find("stop"), asked = find("asked"), columns = find("columns");
const SETTINGS = ["temperature", "top_p", "max_tokens", "seed"];
const SVG = "http://www.w3.org/2000/svg";

let variants = [];
let running = null;

async function call(path, options) {
  let response;
  try {
    response = await fetch(path, options);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Error("The server cannot be reached. Is it still running?");
  }
  if (response.ok) return response;
  const body = await response.json().catch(() => ({}));
  throw new Error(body.error?.message ?? `The server answered with status ${response.status}.`);
}

// Server-sent events: lines "data: JSON" up to "data: [DONE]".
async function* events(response) {
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) throw new Error("The server ended the answer before it was complete.");
    const lines = (rest + value).split(/\r?\n/);
    rest = lines.pop();
    for (const line of lines) {
      if (!line.startsWith("data:")) continue;
      const data = line.slice(5).trim();
      if (data === "[DONE]") return;
      yield JSON.parse(data);
    }
  }
}

async function answer(column, request, signal) {
  const end = (text, error = false) => {
    column.end.textContent = text;
    column.end.classList.toggle("error", error);
  };
  column.answer.textContent = "";
  column.article.setAttribute("aria-busy", "true");
  end("");
  try {
    const body = JSON.stringify({ ...request, model: column.name, stream: true });
    const headers = { "Content-Type": "application/json" };
    const response = await call("/v1/chat/completions", { method: "POST", headers, body, signal });
    let reason = null;
    for await (const event of events(response)) {
      if (event.error) throw new Error(event.error.message);
      const choice = event.choices?.[0];
      if (choice?.delta?.content) column.answer.append(choice.delta.content);
      reason = choice?.finish_reason ?? reason;
    }
    if (!column.answer.textContent.trim()) end("It ended without a word.");
    else if (reason === "length") end(`Cut off at ${request.max_tokens} tokens.`);
    return "answered";
  } catch (error) {
    if (error.name === "AbortError") {
      end("Stopped.");
      return "stopped";
    }
    end(error.message, true);
    return "failed";
  } finally {
    column.article.removeAttribute("aria-busy");
  }
}

async function ask() {
  await loaded;
  if (running || !variants.length || !form.reportValidity()) return;
  running = new AbortController();
  const settings = SETTINGS.map((name) => [name, find(name).valueAsNumber]);
  const content = question.value.trim();
  const request = { messages: [{ role: "user", content }], ...Object.fromEntries(settings) };
  asked.textContent = content;
  asked.hidden = false;
  send.setAttribute("aria-disabled", "true");
  stop.disabled = false;
  status.textContent = `Asking ${variants.length} variants.`;
  const ends = await Promise.all(variants.map((column) => answer(column, request, running.signal)));
  const count = (kind) => ends.filter((end) => end === kind).length;
  const told = ["answered", "stopped", "failed"].filter(count).map((kind) => `${count(kind)} ${kind}`);
  status.textContent = `${told.join(", ")}.`;
  if (document.activeElement === stop) question.focus();
  stop.disabled = true;
  send.removeAttribute("aria-disabled");
  running = null;
}

function element(name, text = "", attributes = {}) {
  const made = document.createElement(name);
  made.textContent = text;
  for (const [attribute, value] of Object.entries(attributes)) made.setAttribute(attribute, value);
  return made;
}

function shape(name, attributes) {
  const made = document.createElementNS(SVG, name);
  for (const [attribute, value] of Object.entries(attributes)) made.setAttribute(attribute, value);
  return made;
}

// A dimension's scale: band of the interval, line from untouched to here, target, ring and dot.
function strip(dimension, [low, high]) {
  const at = (value) => `${(2 + (96 * (value - low)) / (high - low)).toFixed(2)}%`;
  const svg = shape("svg", { class: "strip", height: 18, "aria-hidden": "true" });
  const line = (kind, from, to, y = 9, y2 = y) =>
    svg.append(shape("line", { class: kind, x1: from, x2: to, y1: y, y2 }));
  const { score, untouched, target, interval } = dimension;
  line("axis", "0%", "100%");
  if (interval) line("band", at(interval[0]), at(interval[1]));
  if (untouched !== null && score !== null) line("shift", at(untouched), at(score));
  if (target !== null) line("target", at(target), at(target), 2, 16);
  if (untouched !== null) svg.append(shape("circle", { class: "untouched", cx: at(untouched), cy: 9, r: 3.5 }));
  if (score !== null) svg.append(shape("circle", { class: "score", cx: at(score), cy: 9, r: 4.5 }));
  return svg;
}

// A heading of the table, with the mark that its numbers have on the scale.
function heading(kind, text) {
  const marks = { score: null, untouched: null, target: null, interval: null, [kind]: 0.5 };
  const mark = strip(marks, [0, 1]);
  mark.querySelector(".axis").remove();
  const made = element("th", text, { scope: "col" });
  made.prepend(mark);
  return made;
}

function fillProfile(details, profile) {
  if (!profile.dimensions.length) {
    details.replaceWith(element("p", "No survey profile: no run measured this variant.", { class: "small" }));
    return;
  }
  const text = (value) => (value === null ? "–" : value.toFixed(profile.digits).replace("-", "−"));
  const compared = profile.dimensions.some((dimension) => dimension.untouched !== null);
  const shown = [["score", compared ? "Here" : "Score"]];
  if (compared) shown.push(["untouched", "Untouched"]);
  if (profile.country) shown.push(["target", profile.country]);
  const table = details.querySelector("table"), head = table.tHead.rows[0];
  table.setAttribute("aria-label", `Survey profile: ${profile.title}`);
  head.append(element("th", "Dimension", { scope: "col" }), ...shown.map((each) => heading(...each)));
  for (const dimension of profile.dimensions) {
    const body = table.createTBody(), row = body.insertRow(), scale = body.insertRow().insertCell();
    row.append(element("th", dimension.name, { scope: "row" }));
    for (const [kind] of shown) row.append(element("td", text(dimension[kind])));
    scale.colSpan = shown.length + 1;
    const ends = element("span", "", { class: "ends" });
    ends.append(element("span", dimension.low), element("span", dimension.high));
    scale.append(strip(dimension, profile.axis), ends);
  }
  const warning = details.querySelector(".warning");
  warning.hidden = !profile.warning;
  warning.textContent = profile.warning ?? "";
  details.open = matchMedia("(min-width: 48rem)").matches;
}

function makeColumn(name, profile) {
  const article = find("column").content.cloneNode(true).querySelector("article");
  const part = (selector) => article.querySelector(selector);
  part("h2").textContent = profile.title;
  part(".model").textContent = name;
  part(".line").hidden = !profile.line;
  part(".line").textContent = `“${profile.line}”`;
  article.setAttribute("aria-label", profile.title);
  part(".answer").setAttribute("aria-label", `Answer: ${profile.title}`);
  fillProfile(part("details"), profile);
  columns.append(article);
  return { name, article, answer: part(".answer"), end: part(".end") };
}

async function load() {
  try {
    const { profiles } = await (await call("/profiles")).json();
    columns.replaceChildren();
    variants = Object.entries(profiles).map((each) => makeColumn(...each));
    status.textContent = "";
  } catch (error) {
    status.textContent = error.message;
  }
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  ask();
});
question.addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  ask();
});
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") running?.abort();
});
stop.addEventListener("click", () => running?.abort());
const loaded = load();
