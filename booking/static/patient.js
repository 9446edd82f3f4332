// Small things that a page can do without: the device's own clock, the notice that a hold is running out,
// the way to an error, the print button.
const here = Intl.DateTimeFormat().resolvedOptions().timeZone;

function clock(instant, zone) {
  return new Intl.DateTimeFormat(document.documentElement.lang, { timeStyle: "short", timeZone: zone })
    .format(new Date(instant)).toLowerCase();
}

function showBothClocks() {
  for (const line of document.querySelectorAll("[data-zone]:not([data-both])")) {
    const times = line.dataset.start ? [line] : [...document.querySelectorAll("time[data-local]")];
    const instant = line.dataset.start || times[0]?.dateTime;
    if (!instant || clock(instant, here) === clock(instant, line.dataset.zone)) continue;
    line.dataset.both = "";
    line.append(" " + line.dataset.yours.replace("{time}", clock(instant, here)));
    if (!line.dataset.start) times.forEach((time) => time.after(yours(clock(time.dateTime, here))));
  }
}

function yours(text) {
  const said = document.createElement("span");
  said.className = "p-sub";
  said.textContent = text;
  return said;
}

function watchHold() {
  const until = document.querySelector("[data-until]");
  const soon = document.querySelector("[data-soon]");
  if (!until || !soon) return;
  const left = new Date(until.dataset.until) - Date.now();
  setTimeout(() => (soon.hidden = false), Math.max(left - 120000, 0));
}

function ready() {
  showBothClocks();
  watchHold();
}

document.querySelector("[data-focus]")?.focus();
for (const button of document.querySelectorAll("[data-print]")) {
  button.hidden = false;
  button.addEventListener("click", () => print());
}
document.addEventListener("swapped", ready);
ready();
