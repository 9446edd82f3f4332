// Locks the screen when nobody uses it: the page is hidden, not left, so that whatever was being typed is still there.
// The server has the last word: it is told of the lock, of use, and asked whether a session is open.
const box = document.getElementById("lock");
const soon = document.getElementById("locks-soon");
const LIMIT = box.dataset.minutes * 60_000;
const WARNING = Math.min(60_000, LIMIT / 2);
const TELL = 4 * 60_000; // between two notes to the server that somebody is typing
const tabs = new BroadcastChannel("desk");
const title = document.title;
let used = Date.now();
let told = used;
let shared = used;

function use() {
  if (box.open) return;
  used = Date.now();
  soon.hidden = true;
  if (used - shared > 5_000) tabs.postMessage("used");
  shared = Math.max(shared, used - 5_000);
}

for (const what of ["keydown", "pointerdown", "wheel", "touchmove"]) addEventListener(what, use, { passive: true });

function look() {
  if (box.open) return;
  const idle = Date.now() - used;
  soon.hidden = idle < LIMIT - WARNING;
  if (idle >= LIMIT) lock();
  else if (used > told && Date.now() - told > TELL) {
    told = Date.now();
    fetch(box.dataset.session).then((answer) => answer.redirected && hide());
  }
}

function lock() {
  fetch(box.dataset.lock, { method: "POST", body: new FormData(box.querySelector("form")), redirect: "manual", keepalive: true });
  tabs.postMessage("locked");
  hide();
}

function hide() {
  if (box.open) return;
  soon.hidden = true;
  document.documentElement.classList.add("d-locked");
  document.title = box.dataset.title;
  box.showModal();
}

// Shown again only to the one whose page it is; for anybody else it is loaded anew.
async function show() {
  const answer = await fetch(box.dataset.session, { headers: { "X-Background": "1" } });
  if (!answer.ok) return false;
  if ((await answer.text()) !== box.dataset.person) return location.reload();
  used = told = Date.now();
  box.close();
  document.documentElement.classList.remove("d-locked");
  document.title = title;
  for (const form of box.querySelectorAll("form")) form.reset();
  return true;
}

box.addEventListener("cancel", (event) => event.preventDefault());
box.addEventListener("close", () => document.documentElement.classList.contains("d-locked") && box.showModal());

box.addEventListener("submit", async (event) => {
  const form = event.target;
  if (form.action.endsWith("/logout")) return;
  event.preventDefault();
  for (const said of box.querySelectorAll("[role=alert]")) said.hidden = true;
  try {
    if (form.dataset.passkey) await (await import(form.dataset.script)).prove(form);
    let answer = await send(form);
    if (answer.status === 400) answer = (await renew(), await send(form));
    if (answer.ok && (await show())) return tabs.postMessage("open");
    box.querySelector(answer.status === 429 ? "[data-late]" : "[data-wrong]").hidden = false;
    form.elements.password?.select();
  } catch {
    box.querySelector("[data-lost]").hidden = false;
  }
});

function send(form) {
  return fetch(form.action, { method: "POST", body: new URLSearchParams(new FormData(form)) });
}

// Somebody signed in anew in another tab since this page came: its forms want a new token.
async function renew() {
  const page = new DOMParser().parseFromString(await (await fetch("/login")).text(), "text/html");
  const token = page.querySelector("[name=csrf_token]")?.value;
  for (const field of token ? document.querySelectorAll("[name=csrf_token]") : []) field.value = token;
}

tabs.addEventListener("message", ({ data }) => {
  if (data === "used") used = Math.max(used, Date.now());
  else if (data === "locked") hide();
  else if (box.open) show();
});
document.addEventListener("locked", hide); // a script was answered 401: the session is over or locked elsewhere
tabs.postMessage("open"); // this page came, so the session is open
document.addEventListener("visibilitychange", () => document.hidden || look());
setInterval(look, 5_000);
