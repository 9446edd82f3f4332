// The day board: visits go elsewhere by mouse, finger or keys, others' changes come in, visits open beside it.
// The page does all of this without; the server decides on every move.
const live = document.getElementById("live");
const toast = document.getElementById("toast");
const POLL = 5000;
const TICK = 5 * 60_000; // a row
const QUARTER = 3; // rows
const time = new Intl.DateTimeFormat(document.documentElement.lang, { timeStyle: "short", timeZone: live.dataset.zone });

const words = (name, values) => live.dataset[name].replace(/\{(\w+)\}/g, (_, key) => values[key]);
const board = () => document.getElementById("board");
const number = (element, letter) => Number(element.className.match(new RegExp(`(?:^| )${letter}(\\d+)`))?.[1] ?? 0);
const idOf = (link) => link.pathname.split("/").pop();
const links = () => [...board().querySelectorAll("li > a")];
const visit = (id) => board().querySelector(`a[data-v][href$="/${CSS.escape(id)}"]`);
const token = () => document.querySelector("#token input").value;

// Places: a column's body and a row.

const bodies = () => [...board().querySelectorAll(".b-body[data-practitioner], .b-body[data-room]")];
const rows = (body) => number(body, "d");
const unit = (body) => body.getBoundingClientRect().height / rows(body);
const instant = (place) => new Date(Date.parse(place.body.dataset.start) + place.row * TICK);
const title = (body) => body.parentElement.querySelector("h2 a, h2").textContent.trim();
const placeOf = (item) => ({ body: item.closest(".b-body"), row: number(item, "s") });
const same = (one, other) => one.body === other.body && one.row === other.row;

// The stretches of rows in which a visit takes its column's time.
function taken(item, row) {
  const head = item.querySelector("a");
  const others = [...item.querySelectorAll(":scope > .b-again, :scope > .b-turn")];
  return [[row, row + number(head, "d")], ...others.map((part) => [row + number(part, "s"), row + number(part, "s") + number(part, "d")])];
}

// Whom a visit would overlap there: nobody as long as the column has places left.
function overlapped(item, place) {
  const mine = taken(item, place.row);
  const meet = ([a, b], [c, d]) => a < d && c < b;
  const found = [...place.body.querySelectorAll("li")].filter(
    (other) => other !== item && other.querySelector("a[data-v]") && taken(other, number(other, "s")).some((one) => mine.some((own) => meet(one, own))),
  );
  const isFull = mine.some(([start, stop]) => {
    for (let row = start; row < stop; row++) {
      const there = found.filter((other) => taken(other, number(other, "s")).some((one) => meet(one, [row, row + 1])));
      if (there.length >= Number(place.body.dataset.places)) return true;
    }
  });
  return isFull ? found.map((other) => other.querySelector("b").textContent) : [];
}

function described(place, names = []) {
  const at = words("at", { time: time.format(instant(place)).toLowerCase(), who: title(place.body) });
  return names.length ? words("over", { place: at, names: names.join(", ") }) : at;
}

// Carrying a visit, whoever steers.

let carried = null; // { item, from, place, ghost }

function mayMove(item) {
  if (!("mayMove" in live.dataset) || getComputedStyle(item).position !== "absolute") return false;
  return ["b-booked", "b-late", "b-pending"].some((name) => item.classList.contains(name));
}

function pickUp(item) {
  const ghost = item.cloneNode(true);
  for (const name of ["href", "data-v", "data-swap"]) ghost.querySelector("a").removeAttribute(name);
  ghost.classList.add("b-ghost");
  ghost.setAttribute("aria-hidden", "true");
  for (const letter of ["l", "o"]) ghost.classList.remove(letter + number(item, letter));
  ghost.querySelector("span").className = "b-ghost-place";
  item.classList.add("b-carried");
  carried = { item, ghost, from: placeOf(item), place: null };
  carry(carried.from);
}

function carry(place) {
  if (!carried || (carried.place && same(place, carried.place))) return "";
  const names = overlapped(carried.item, place);
  const said = described(place, names);
  carried.ghost.classList.toggle("b-bad", names.length > 0);
  carried.ghost.style.setProperty("--s", place.row);
  carried.ghost.querySelector("span").textContent = said;
  if (carried.ghost.parentElement !== place.body) place.body.append(carried.ghost);
  carried.place = place;
  return said;
}

function putDown() {
  const { item, ghost, from, place } = carried;
  carried = null;
  ghost.remove();
  item.classList.remove("b-carried");
  catchUp();
  return { item, from, place };
}

async function drop() {
  const { item, from, place } = putDown();
  if (same(from, place)) return;
  const link = item.querySelector("a");
  const body = new URLSearchParams({ version: link.dataset.v, start: instant(place).toISOString() });
  if (place.body.dataset.practitioner) body.set("practitioner", place.body.dataset.practitioner);
  if (place.body.dataset.room && place.body !== from.body) body.set("room", place.body.dataset.room);
  await act(`${link.href}/move`, body);
}

async function act(url, body) {
  body.set("csrf_token", token());
  let answer;
  try {
    answer = await fetch(url, { method: "POST", body, headers: { Accept: "application/json" } });
  } catch {
    return tell(live.dataset.lost, { bad: true });
  }
  if (!answer.headers.get("Content-Type")?.startsWith("application/json")) return ended();
  const { said, undo, squeeze } = await answer.json();
  tell(said, { undo, squeeze, bad: !answer.ok });
  await refresh({ own: answer.ok });
}

function tell(said, { undo, squeeze, bad = false } = {}) {
  const line = document.createElement("p");
  line.textContent = said;
  toast.replaceChildren(line);
  toast.classList.toggle("b-bad", bad);
  if (undo) {
    const button = document.createElement("button");
    button.className = "btn";
    button.dataset.key = "z";
    button.textContent = live.dataset.undo;
    button.addEventListener("click", () => act(undo, new URLSearchParams()));
    toast.append(button);
  }
  if (squeeze) {
    const link = document.createElement("a");
    link.className = "btn";
    link.href = squeeze;
    link.dataset.swap = "#panel";
    link.textContent = live.dataset.squeeze;
    toast.append(link);
  }
}

// By mouse: after five pixels. By finger: after a third of a second in one place; sooner it is scrolling.

let press = null; // { item, x, y, offset, boxes, timer }
let dropped = 0; // when; the click that ends a drag opens nothing

function begin(item, { clientX, clientY }) {
  press = { item, x: clientX, y: clientY, offset: clientY - item.getBoundingClientRect().top };
}

function measured() {
  press.boxes ??= bodies().map((body) => ({ body, box: body.getBoundingClientRect(), unit: unit(body) }));
  return press.boxes;
}

function under({ clientX, clientY, shiftKey }) {
  const boxes = measured();
  const found = boxes.find(({ box }) => clientX >= box.left && clientX < box.right) ?? boxes.find(({ body }) => body === carried.place.body);
  const step = shiftKey ? 1 : QUARTER;
  const row = Math.round((clientY - found.box.top - press.offset) / found.unit / step) * step;
  return { body: found.body, row: Math.min(Math.max(row, 0), rows(found.body) - 1) };
}

function finish(done) {
  clearTimeout(press?.timer);
  press = null;
  if (!carried) return setTimeout(catchUp); // after the click, which has to find what was pressed
  dropped = Date.now();
  if (done) drop();
  else putDown();
}

document.addEventListener("pointerdown", (event) => {
  const item = event.target.closest("#board li > a[data-v]")?.parentElement;
  if (item && event.pointerType === "mouse" && !event.button && mayMove(item)) begin(item, event);
});
document.addEventListener("pointermove", (event) => {
  if (!press || event.pointerType !== "mouse") return;
  if (!carried && Math.hypot(event.clientX - press.x, event.clientY - press.y) > 5) pickUp(press.item);
  if (carried) carry(under(event));
});
document.addEventListener("pointerup", (event) => event.pointerType === "mouse" && press && finish(true));
document.addEventListener("dragstart", (event) => event.target.closest("#board") && event.preventDefault());
document.addEventListener("scroll", () => press && (press.boxes = null), { capture: true, passive: true });

document.addEventListener("touchstart", (event) => {
  const item = event.target.closest("#board li > a[data-v]")?.parentElement;
  if (!item || event.touches.length > 1 || !mayMove(item)) return;
  begin(item, event.touches[0]);
  press.timer = setTimeout(() => {
    pickUp(item);
    navigator.vibrate?.(15);
  }, 350);
}, { passive: true });
document.addEventListener("touchmove", (event) => {
  if (!press) return;
  const touch = event.touches[0];
  if (carried) {
    event.preventDefault();
    carry(under(touch));
  } else if (Math.hypot(touch.clientX - press.x, touch.clientY - press.y) > 10) finish(false);
}, { passive: false });
document.addEventListener("touchend", (event) => {
  if (carried && press) event.preventDefault();
  if (press) finish(true);
});
document.addEventListener("touchcancel", () => press && finish(false));
document.addEventListener("contextmenu", (event) => carried && event.preventDefault());

// A click on free time books where it was clicked, not where the free time begins.
document.addEventListener("click", (event) => {
  if (Date.now() - dropped < 300 && event.target.closest("#board")) {
    event.preventDefault();
    event.stopPropagation();
    return;
  }
  const link = event.target.closest("#board .b-free > a");
  if (!link || !event.detail || getComputedStyle(link.parentElement).position !== "absolute") return;
  const { body, row } = placeOf(link.parentElement);
  const clicked = Math.floor((event.clientY - body.getBoundingClientRect().top) / unit(body) / QUARTER) * QUARTER;
  const address = new URL(link.href);
  address.searchParams.set("start", instant({ body, row: Math.max(clicked, row) }).toISOString());
  link.href = address.href;
}, true);

// By keys.

function step(event) {
  const { body, row } = carried.place;
  const all = bodies();
  const at = all.indexOf(body);
  const rowsAt = (by) => Math.min(Math.max(row + by, 0), rows(body) - 1);
  switch (event.key) {
    case "ArrowUp": return { body, row: rowsAt(event.shiftKey ? -1 : -QUARTER) };
    case "ArrowDown": return { body, row: rowsAt(event.shiftKey ? 1 : QUARTER) };
    case "ArrowLeft": return { body: all[Math.max(at - 1, 0)], row };
    case "ArrowRight": return { body: all[Math.min(at + 1, all.length - 1)], row };
  }
  return null;
}

function steer(event) {
  event.preventDefault();
  const { item } = carried;
  const name = item.querySelector("b").textContent;
  if (event.key === "Escape") {
    const { from } = putDown();
    speak(words("kept", { name, place: described(from) }));
  } else if (event.key === "Enter") {
    drop();
  } else {
    const place = step(event);
    if (!place) return;
    speak(carry(place));
    carried.ghost.scrollIntoView({ block: "nearest", inline: "nearest" });
  }
}

function speak(said) {
  if (said) document.getElementById("spoken").textContent = said;
}

// Between visits and free times: up and down in a column, left and right to what is nearest in the next one.
function neighbour(link, key) {
  const columns = [...board().querySelectorAll(".b-col")];
  const at = columns.indexOf(link.closest(".b-col"));
  const inside = (column) => [...column.querySelectorAll("li > a")].sort((a, b) => number(a.parentElement, "s") - number(b.parentElement, "s"));
  if (key === "ArrowUp" || key === "ArrowDown") {
    const own = inside(columns[at]);
    return own[own.indexOf(link) + (key === "ArrowUp" ? -1 : 1)];
  }
  const by = key === "ArrowLeft" ? -1 : 1;
  const row = number(link.parentElement, "s");
  for (let n = at + by; n >= 0 && n < columns.length; n += by) {
    const near = inside(columns[n]).sort((a, b) => Math.abs(number(a.parentElement, "s") - row) - Math.abs(number(b.parentElement, "s") - row));
    if (near.length) return near[0];
  }
}

const STEPS = { a: "[value=arrived]", c: "[value=checked-in]", d: "[value=fulfilled]", x: "[value=noshow]", r: 'a[href*="/new?"]' };

async function next(link, selector) {
  if (link?.dataset.v && link.pathname !== opened) await open(link);
  document.querySelector(`#panel button${selector}, #panel ${selector}`)?.click();
}

function open(link) {
  return new Promise((resolve) => {
    document.addEventListener("swapped", resolve, { once: true });
    link.click();
  });
}

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (carried) return press ? event.key === "Escape" && finish(false) : steer(event);
  if (event.target.closest("input, select, textarea, dialog")) return;
  if (event.key === "Escape") return close();
  const link = event.target.closest("#board li > a");
  if (link && event.key.startsWith("Arrow")) {
    event.preventDefault();
    return neighbour(link, event.key)?.focus();
  }
  const key = event.key.toLowerCase();
  if (document.documentElement.hasAttribute("data-no-keys")) return;
  if (key === "m" && link?.dataset.v) {
    event.preventDefault();
    if (!mayMove(link.parentElement)) return speak(live.dataset.fixed);
    pickUp(link.parentElement);
    speak(words("picked", { name: link.querySelector("b").textContent }));
  } else if (STEPS[key] && (link?.dataset.v || opened)) {
    event.preventDefault();
    next(link, STEPS[key]);
  }
});

// One stop for Tab, on the visit that was last in focus.
let current = "";

function rove() {
  const all = links();
  const stop = all.find((link) => link.getAttribute("href") === current) ?? all[0];
  for (const link of all) link.tabIndex = link === stop ? 0 : -1;
}

document.addEventListener("focusin", (event) => {
  const link = event.target.closest("#board li > a");
  if (!link) return;
  const old = board().querySelector('li > a[tabindex="0"]');
  if (old) old.tabIndex = -1;
  link.tabIndex = 0;
  current = link.getAttribute("href");
});

// What stands beside the board.

let opened = ""; // the path of the visit that is open

document.addEventListener("click", (event) => {
  const link = event.target.closest("#panel a[href]:not([data-swap], [target], [href^='tel:'], [href^='mailto:'])");
  if (link && link.pathname.includes("/appointments/") && !event.defaultPrevented) link.dataset.swap = "#panel";
}, true);

document.addEventListener("swapped", ({ detail }) => {
  if (detail.region !== "#panel") return;
  const panel = document.getElementById("panel");
  const note = detail.page.querySelector("#said .note");
  if (note) {
    // The form led to a day's page: what it says of the deed is said here.
    const undo = detail.page.querySelector("#said form");
    tell(note.textContent, { undo: undo?.action, bad: !note.matches(".note-ok") });
  }
  if (!panel.hidden) {
    const button = document.createElement("button");
    button.className = "btn b-close";
    button.type = "button";
    button.textContent = live.dataset.close;
    button.addEventListener("click", close);
    panel.prepend(button);
  }
  const path = new URL(detail.url).pathname.match(/^.*\/appointments\/[^/]+/);
  mark(panel.hidden || !path ? "" : path[0]);
  if (detail.isSent) refresh({ own: true });
});

function mark(path) {
  opened = path;
  for (const link of links()) {
    if (link.pathname === path) link.setAttribute("aria-current", "true");
    else link.removeAttribute("aria-current");
  }
  history.replaceState(history.state, "", path ? `#v-${path.split("/").pop()}` : location.pathname + location.search);
}

function close() {
  const panel = document.getElementById("panel");
  if (panel.hidden) return;
  const empty = document.createElement("section");
  empty.id = "panel";
  empty.hidden = true;
  panel.replaceWith(empty);
  const back = links().find((link) => link.pathname === opened) ?? board().querySelector('a[tabindex="0"]');
  mark("");
  back?.focus();
}

// Others' changes.

let tag = `"${live.dataset.tag}"`;
let asking = null;
let waiting = null; // an answer that came while a visit was pressed or carried
let isOver = false; // the session

function refresh({ own = false } = {}) {
  asking = (asking ?? Promise.resolve()).then(() => ask(own)).catch(() => news(live.dataset.lost));
  return asking;
}

async function ask(own) {
  if (isOver) return;
  const headers = { "If-None-Match": tag, "X-Background": "1" };
  const answer = await fetch(live.dataset.href, { headers, redirect: "manual" });
  if (answer.status === 304) return;
  if (!answer.ok) return answer.status < 500 && ended();
  tag = answer.headers.get("ETag");
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  waiting = { page, own };
  catchUp();
}

function catchUp() {
  if (waiting && !press && !carried) show(waiting);
}

// Nobody is signed in any more: the lock of the page is told, and tells us when somebody is.
const tabs = new BroadcastChannel("desk");

function ended() {
  isOver = true;
  tabs.postMessage("locked");
}

tabs.addEventListener("message", ({ data }) => {
  if (data !== "open" || !isOver) return;
  isOver = false;
  refresh();
});

function versions() {
  return new Map([...board().querySelectorAll("a[data-v]")].map((link) => [idOf(link), { v: link.dataset.v, name: link.querySelector("b, h2")?.textContent ?? link.textContent }]));
}

function show({ page, own }) {
  waiting = null;
  const before = versions();
  const focused = board().contains(document.activeElement) ? document.activeElement.getAttribute("href") : null;
  for (const id of ["counts", "board"]) document.getElementById(id).replaceWith(page.getElementById(id));
  const after = versions();
  rove();
  for (const link of links()) if (link.pathname === opened) link.setAttribute("aria-current", "true");
  if (focused) links().find((link) => link.getAttribute("href") === focused)?.focus({ preventScroll: true });
  if (own) return;
  const changed = [...after].filter(([id, { v }]) => before.get(id)?.v !== v);
  const gone = [...before].filter(([id]) => !after.has(id));
  for (const [id] of changed) visit(id)?.parentElement.classList.add("b-flash");
  const names = [...new Set([...changed, ...gone].map(([, { name }]) => name))];
  if (names.length) news(words("news", { names: names.slice(0, 5).join(", ") }));
}

function news(said) {
  document.getElementById("news").textContent = said;
}

setInterval(() => document.hidden || press || refresh(), POLL);
document.addEventListener("visibilitychange", () => document.hidden || refresh());

rove();
const now = board().querySelector(".b-now");
if (now) live.querySelector(".b-scroll").scrollTop = Math.max(now.offsetTop - 120, 0);
if (location.hash.startsWith("#v-")) visit(location.hash.slice(3))?.click();
