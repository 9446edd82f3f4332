// Rows are added, moved and taken away, and pictures drawn, without loading the page: the form is sent as its button
// would send it, and what the answer says takes the place of the form or of what stands beside it.
document.querySelector("[data-focus]")?.focus();

const form = document.querySelector("form[data-rows]");
const TOOLS = ["add", "remove", "up", "look"];

async function answer(button) {
  const body = new URLSearchParams(new FormData(form, button));
  const sent = await fetch(form.action, { method: "POST", body });
  if (!sent.ok || sent.redirected) throw sent;
  return new DOMParser().parseFromString(await sent.text(), "text/html");
}

function take(page, id) {
  document.getElementById(id)?.replaceChildren(...page.getElementById(id).childNodes);
}

document.addEventListener("submit", (event) => {
  const button = event.submitter;
  if (event.target !== form || !TOOLS.includes(button?.name) || form.dataset.plain) return;
  event.preventDefault();
  answer(button).then((page) => {
    if (button.name !== "look") {
      const [key, number] = button.value.split(".");
      take(page, key);
      focusOn(document.getElementById(key), button.name, Number(number));
    }
    take(page, "aside");
  }).catch(() => {
    form.dataset.plain = "yes";
    form.requestSubmit(button);
  });
});

function focusOn(rows, deed, number) {
  const all = rows.querySelectorAll(".a-row");
  const row = deed === "add" ? all[all.length - 1] : all[Math.max(0, number - 1)];
  (row?.querySelector("input:not([type=hidden]), select, textarea") || rows.querySelector("button")).focus();
}

// The picture follows what is typed.
const look = document.querySelector("[data-look]");
let waits;
if (form && look) {
  look.hidden = true;
  form.addEventListener("input", () => {
    clearTimeout(waits);
    waits = setTimeout(() => answer(document.querySelector("[data-look]")).then((page) => {
      take(page, "aside");
      document.querySelector("[data-look]").hidden = true;
    }).catch(() => {}), 400);
  });
}
