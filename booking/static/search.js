// A form with data-search="#region" is asked in the background while somebody types in its field, and the region is
// replaced by the same one of the answer. The arrow keys walk through the links and buttons in it that have data-hit;
// Enter in the field takes the first of them; of several that nobody has seen yet it shows them first. Without any,
// or if something goes wrong, the form is sent as it is.
const PAUSE = 120; // milliseconds without a key
let timer;
let asking = Promise.resolve();
let isAsking = false;
let asked;

document.addEventListener("input", (event) => {
  const form = event.target.closest("form[data-search]");
  if (!form || event.target.type !== "search") return;
  clearTimeout(timer);
  timer = setTimeout(() => look(form), PAUSE);
});

document.addEventListener("keydown", (event) => {
  const form = event.target.closest("form[data-search]");
  const hit = event.target.closest("[data-hit]");
  if (event.isComposing || event.altKey || event.ctrlKey || event.metaKey) return;
  if (form && event.target.type === "search") fromField(event, form);
  else if (hit) fromHit(event, hit);
});

function fromField(event, form) {
  if (event.key === "ArrowDown") {
    const first = hits(form)[0];
    if (!first) return;
    event.preventDefault();
    first.focus();
  } else if (event.key === "Enter") {
    event.preventDefault();
    const isSeen = !timer && !isAsking;
    if (timer) look(form);
    asking.then(() => {
      const found = hits(form);
      if (!found.length) form.submit();
      else if (isSeen || found.length === 1) found[0].click();
    });
  }
}

function fromHit(event, hit) {
  const form = document.querySelector("form[data-search]");
  const all = hits(form);
  const to = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (to === undefined && event.key !== "Escape") return;
  event.preventDefault();
  (all[to ? all.indexOf(hit) + to : -1] || (to > 0 ? hit : form.querySelector("[type=search]"))).focus();
}

function hits(form) {
  return [...document.querySelectorAll(`${form.dataset.search} [data-hit]`)];
}

function look(form) {
  clearTimeout(timer);
  timer = undefined;
  asked?.abort();
  asked = new AbortController();
  isAsking = true;
  const mine = asked;
  asking = ask(form, mine.signal).finally(() => (isAsking &&= asked !== mine));
  return asking;
}

async function ask(form, signal) {
  const body = new URLSearchParams(new FormData(form));
  try {
    const answer = await fetch(form.action, { method: "POST", body, signal, headers: { "X-Part": form.dataset.search } });
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const fresh = page.querySelector(form.dataset.search);
    if (!answer.ok || !fresh) return form.submit();
    document.querySelector(form.dataset.search).replaceWith(fresh);
    // One that stays is read out; one that is replaced may not be.
    const said = form.querySelector("[data-said]");
    if (said) said.textContent = fresh.dataset.said || "";
    document.dispatchEvent(new CustomEvent("swapped", { detail: { region: form.dataset.search, page, isSent: false } }));
  } catch (error) {
    if (error.name !== "AbortError") form.submit();
  }
}

// What was typed before this script was there.
const begun = document.activeElement?.closest("form[data-search]");
if (begun && document.activeElement.value && !hits(begun).length) look(begun);
