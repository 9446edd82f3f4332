// A link or form with data-swap="#region" replaces that region of the page by the same region of the answer.
// Whatever goes wrong, the browser follows the link or sends the form as it would have without this.
document.addEventListener("click", (event) => {
  const link = event.target.closest("a[data-swap]");
  if (!link || event.button || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
  event.preventDefault();
  swap(link.dataset.swap, link.href).then(() => remember(link.href)).catch(() => location.assign(link.href));
});

// Going back or forth to an address that took part loads it anew; a jump within the page is left alone.
addEventListener("popstate", (event) => event.state?.swapped && location.reload());

function remember(url) {
  history.replaceState({ swapped: true }, "");
  history.pushState({ swapped: true }, "", url);
}

document.addEventListener("submit", (event) => {
  const form = event.target.closest("form[data-swap]");
  if (!form) return;
  event.preventDefault();
  const body = new URLSearchParams(new FormData(form, event.submitter));
  swap(form.dataset.swap, event.submitter?.getAttribute("formaction") ?? form.action, { method: "POST", body }).catch(() => {
    form.removeAttribute("data-swap");
    form.requestSubmit(event.submitter);
  });
});

async function swap(region, url, options) {
  const answer = await fetch(url, options);
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  const fresh = page.querySelector(region);
  // A region that shows refusals itself says so; any other is left to the page that the browser then loads.
  if (!fresh || !(answer.ok || "refusals" in fresh.dataset)) throw answer;
  document.querySelector(region).replaceWith(fresh);
  document.title = page.title;
  (fresh.querySelector("[data-focus]") ?? fresh.querySelector("[data-focus-after]"))?.focus();
  document.dispatchEvent(new CustomEvent("swapped"));
}
