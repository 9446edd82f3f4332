// Single keys at the desk: whatever has data-key="n" is pressed by N. They can be turned off (WCAG 2.1.4), here and
// for the board's own keys: the switch is on the page of the keys and is kept in this browser.
const OFF = "desk-keys-off";

function areOn() {
  return localStorage.getItem(OFF) === null;
}

document.addEventListener("keydown", (event) => {
  if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || !areOn()) return;
  if (event.target.closest("input, select, textarea, dialog")) return;
  const key = CSS.escape(event.key.toLowerCase());
  const found = document.querySelector(`main [data-key="${key}"]`) || document.querySelector(`[data-key="${key}"]`);
  if (!found) return;
  event.preventDefault();
  typed = "";
  setTimeout(() => (typed = null), LATEST);
  found.click();
});

// Somebody quick types on while what the key opens is on its way: that is for its field, and no keys of the board.
const LATEST = 2000; // milliseconds
let typed = null;

document.addEventListener("keydown", (event) => {
  if (typed === null || event.ctrlKey || event.metaKey || event.altKey || event.key.length > 1) return;
  event.preventDefault();
  event.stopImmediatePropagation();
  typed += event.key;
}, true);

document.addEventListener("swapped", ({ detail }) => {
  if (typed === null || detail.region === "#board") return;
  const [field, text] = [document.activeElement, typed];
  typed = null;
  if (!text || !field.matches("input:is([type=search], [type=text]), textarea")) return;
  field.value += text;
  field.dispatchEvent(new Event("input", { bubbles: true }));
});

function showSwitch() {
  document.documentElement.toggleAttribute("data-no-keys", !areOn());
  for (const place of document.querySelectorAll("[data-keys-switch]")) {
    const button = place.querySelector("button");
    place.hidden = false;
    button.setAttribute("aria-pressed", areOn());
  }
}

document.addEventListener("click", (event) => {
  if (!event.target.closest("[data-keys]")) return;
  if (areOn()) localStorage.setItem(OFF, "");
  else localStorage.removeItem(OFF);
  showSwitch();
});
document.addEventListener("swapped", showSwitch);
showSwitch();
