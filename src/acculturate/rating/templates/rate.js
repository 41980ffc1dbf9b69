// Shows the pairs of one rater. What was judged is kept in this browser until the server has it on its disk.

const get = (id) => document.getElementById(id);
const sections = ["start", "pair", "end"].map(get);
const form = get("judge");
const groups = [...form.querySelectorAll("fieldset")];
const store = {
  read: (key, otherwise) => {
    try { return JSON.parse(localStorage.getItem(`rate.${key}`)) ?? otherwise; } catch { return otherwise; }
  },
  write: (key, value) => { try { localStorage.setItem(`rate.${key}`, JSON.stringify(value)); } catch { /* kept in memory */ } },
};
const letters = () => [...crypto.getRandomValues(new Uint8Array(12))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
const browser = store.read("window", letters());
store.write("window", browser);

let code = store.read("code", null);
let items = [];
let at = 0;
let waiting = store.read("waiting", []); // judgements that the server does not have yet, oldest first
let sending = false;
let timer;

async function post(path, body) {
  let response;
  try {
    response = await fetch(path, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) });
  } catch {
    throw Object.assign(new Error("The server does not answer."), { status: 0 });
  }
  const content = await response.json().catch(() => ({}));
  if (!response.ok) throw Object.assign(new Error(content.error?.message ?? `The server refused (${response.status}).`), { status: response.status });
  return content;
}

function say(text, bad = false) {
  get("status").textContent = text;
  get("status").className = bad ? "error" : "";
}

function show(section) {
  for (const each of sections) each.hidden = each.id !== section;
  get("leave").hidden = section === "start";
}

const own = () => waiting.filter((judged) => judged.code === code);

async function open(wanted) {
  const opened = await post("/api/open", { window: browser, code: wanted });
  ({ code, items } = opened);
  store.write("code", code);
  for (const { place, rating } of own()) if (items[place]) items[place].rating = rating;
  for (const each of document.querySelectorAll(".country")) each.textContent = opened.country;
  get("own").textContent = code;
  get("here").hidden = true;
  say("");
  const first = items.findIndex((item) => !item.rating);
  go(first < 0 ? items.length : first);
  send();
}

function go(place) {
  at = Math.max(0, place);
  const done = items.filter((item) => item.rating).length;
  get("done").max = items.length;
  get("done").value = done;
  if (at >= items.length) {
    show("end");
    tellEnd();
    get("end").querySelector("h1").focus();
    return;
  }
  const item = items[at];
  show("pair");
  form.reset();
  get("place").textContent = `Pair ${at + 1} of ${items.length}`;
  get("question").textContent = item.question;
  get("left").textContent = item.left.trim() || "(nothing)";
  get("right").textContent = item.right.trim() || "(nothing)";
  if (item.rating) for (const [name, value] of Object.entries(item.rating)) form.elements[name].value = value;
  get("back").disabled = at === 0;
  scrollTo(0, 0);
  get("question").focus({ preventScroll: true });
  mark();
}

function tellEnd() {
  const left = items.filter((item) => !item.rating).length;
  const open = left ? `${left} of ${items.length} pairs are still open.` : `You judged all ${items.length} pairs.`;
  const kept = own().length ? ` ${own().length} of your judgements are not with the server yet: leave this page open.` : " All of it is kept; you can close this page.";
  get("all").textContent = open + kept;
}

// The group that keys choose in: the one in focus, else the first without an answer.
function active() {
  const focused = document.activeElement?.closest?.("fieldset");
  return focused ?? groups.find((group) => !group.querySelector(":checked"));
}

function mark() {
  const now = active();
  for (const group of groups) group.classList.toggle("active", group === now);
  get("next").classList.toggle("ready", form.checkValidity());
}

function moveOn(group) {
  (groups[groups.indexOf(group) + 1] ?? get("next")).focus();
  mark();
}

async function send() {
  if (sending) return;
  clearTimeout(timer);
  sending = true;
  const failed = new Map(); // by code: this server may not know an earlier one any more
  const next = () => [...own(), ...waiting].find((judged) => !failed.has(judged.code));
  for (let judged = next(); judged; judged = next()) {
    const { place, rating, code: whose } = judged;
    try {
      await post("/api/ratings", { window: browser, code: whose, place, ...rating });
      waiting = waiting.filter((each) => each !== judged);
      store.write("waiting", waiting);
      if (!own().length) say("");
    } catch (error) {
      failed.set(whose, error);
    }
  }
  sending = false;
  const error = failed.get(code);
  const ours = error?.status === 409;
  if (error) {
    const count = own().length;
    say(`${error.message} ${count === 1 ? "Your last judgement is" : `Your last ${count} judgements are`} kept in this browser${ours ? ". If it was you, go on here." : " and sent again every few seconds; you can go on."}`, true);
    get("here").hidden = !ours;
  }
  if (failed.size && !ours) timer = setTimeout(send, 3000);
  if (!get("end").hidden) tellEnd();
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  const given = new FormData(form);
  const rating = Object.fromEntries(["typical", "better", "marked", "reason"].map((name) => [name, given.get(name)]));
  items[at].rating = rating;
  waiting.push({ code, place: at, rating });
  store.write("waiting", waiting);
  const later = items.findIndex((item, place) => place > at && !item.rating);
  const open = items.findIndex((item) => !item.rating);
  go(later >= 0 ? later : open >= 0 ? open : items.length);
  send();
});
form.addEventListener("change", (event) => { if (event.target.type === "radio") mark(); });
form.addEventListener("focusin", mark);

document.addEventListener("keydown", (event) => {
  if (get("pair").hidden || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.target.id === "reason") {
    if (event.key === "Escape" || (event.key === "Enter" && !event.shiftKey)) { event.preventDefault(); get("next").focus(); }
    return;
  }
  if (/^[1-4]$/.test(event.key)) {
    const group = active() ?? groups[0];
    const choice = group.querySelectorAll("input")[event.key - 1];
    if (choice) { choice.checked = true; moveOn(group); }
  } else if (event.key === "Enter" && event.target.tagName !== "BUTTON") {
    if (form.checkValidity()) form.requestSubmit();
    else active()?.focus();
  } else if (event.key === "Backspace" && at > 0) go(at - 1);
  else if (event.key.toLowerCase() === "r") get("reason").focus();
  else return;
  event.preventDefault();
});

get("back").addEventListener("click", () => go(at - 1));
get("again").addEventListener("click", () => go(items.length - 1));
get("here").addEventListener("click", () => open(code).catch((error) => say(error.message, true)));
get("leave").addEventListener("click", () => {
  if (own().length) { say("Some judgements are not with the server yet; they would be lost. Wait for it.", true); return; }
  code = null;
  store.write("code", null);
  show("start");
});
for (const [id, wanted] of [["begin", () => null], ["return", () => get("code").value.trim().toUpperCase()]]) {
  get(id).addEventListener("submit", (event) => {
    event.preventDefault();
    open(wanted()).catch((error) => say(error.message, true));
  });
}
addEventListener("beforeunload", (event) => { if (own().length) event.preventDefault(); });
addEventListener("online", send);

if (code) open(code).catch((error) => {
  show("start");
  get("code").value = code;
  say(`${error.message}${error.status === 0 || error.status >= 500 ? " Try again in a moment." : ""}`, true);
});
