// A link or form with data-swap="#region" replaces that region of the page by the same region of the answer.
// Whatever goes wrong, the browser follows the link or sends the form as it would have without this.
document.addEventListener("click", (event) => {
  const link = event.target.closest("a[data-swap]");
  if (!link || event.button || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
  event.preventDefault();
  const isQuiet = quiet(link.dataset.swap);
  swap(link.dataset.swap, link.href)
    .then(() => isQuiet || remember(link.href))
    .catch(() => location.assign(link.href));
});

// Going back or forth to an address that took part loads it anew; a jump within the page is left alone.
addEventListener("popstate", (event) => event.state?.swapped && location.reload());

// A region inside data-quiet stands beside what the address shows: the address stays.
function quiet(region) {
  return Boolean(document.querySelector(region)?.closest("[data-quiet]"));
}

function remember(url) {
  history.replaceState({ swapped: true }, "");
  history.pushState({ swapped: true }, "", url);
}

document.addEventListener("submit", (event) => {
  const form = event.target.closest("form[data-swap]");
  if (!form) return;
  event.preventDefault();
  const body = new URLSearchParams(new FormData(form, event.submitter));
  const isSent = form.method === "post";
  const to = event.submitter?.getAttribute("formaction") ?? form.action;
  const [url, options] = isSent ? [to, { method: "POST", body }] : [`${to}?${body}`];
  swap(form.dataset.swap, url, options).catch((answer) => {
    // What was done already is not sent again: go where it led.
    if (answer.ok && answer.redirected) return location.assign(answer.url);
    form.removeAttribute("data-swap");
    form.requestSubmit(event.submitter);
  });
});

// A refusal is shown in place if its region says data-refusals; any other is left to the browser.
async function swap(region, url, options) {
  const answer = await fetch(url, options);
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  const fresh = page.querySelector(region);
  if (!fresh || (!answer.ok && !fresh.hasAttribute("data-refusals"))) throw answer;
  const isQuiet = quiet(region);
  document.querySelector(region).replaceWith(fresh);
  if (!isQuiet) document.title = page.title;
  fetchMissing(page);
  fresh.querySelector("[data-focus], [data-focus-after], [autofocus]")?.focus();
  document.dispatchEvent(new CustomEvent("swapped", { detail: { region, page, url: answer.url, isSent: Boolean(options) } }));
}

// What the region's own page brings along beside it.
function fetchMissing(page) {
  for (const wanted of page.querySelectorAll("script[src], link[rel=stylesheet]")) {
    const address = wanted.getAttribute("src") ? "src" : "href";
    if (document.querySelector(`[${address}="${CSS.escape(wanted.getAttribute(address))}"]`)) continue;
    const fresh = document.createElement(wanted.localName);
    for (const { name, value } of wanted.attributes) fresh.setAttribute(name, value);
    document.head.append(fresh);
  }
}
