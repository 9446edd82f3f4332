// Quick book: arrows go from time to time, and Enter after the contact goes on to the times, where Enter books.
// It may be loaded before the page has its form, so it listens at the document.
document.addEventListener("keydown", (event) => {
  const form = event.target.closest("form[data-times]");
  if (!form || event.isComposing || event.ctrlKey || event.metaKey || event.altKey) return;
  const times = [...form.querySelectorAll("button[name=choice]")];
  const to = next(event, times);
  if (!to) return;
  event.preventDefault();
  to.focus();
});

function next({ key, target }, times) {
  if (key === "Enter" && target.matches("[data-person] input")) return times[0];
  const by = { ArrowUp: -1, ArrowLeft: -1, ArrowDown: 1, ArrowRight: 1 }[key];
  return by && times.includes(target) ? times[times.indexOf(target) + by] : undefined;
}
