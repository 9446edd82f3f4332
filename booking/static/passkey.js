// A form with data-passkey asks that address what to sign, has the device sign it, and is then sent like any other form.
export async function prove(form) {
  const data = new FormData(form);
  const answer = await fetch(form.dataset.passkey, { method: "POST", body: data });
  if (!answer.ok) throw new Error(answer.status);
  const options = await answer.json();
  const found = "create" in form.dataset
    ? await navigator.credentials.create({ publicKey: PublicKeyCredential.parseCreationOptionsFromJSON(options) })
    : await navigator.credentials.get({ publicKey: PublicKeyCredential.parseRequestOptionsFromJSON(options) });
  form.elements.passkey.value = JSON.stringify(found);
}

const works = "PublicKeyCredential" in window && "parseRequestOptionsFromJSON" in PublicKeyCredential;

for (const form of works ? document.querySelectorAll("form[data-passkey]:not(dialog form)") : []) {
  form.hidden = false;
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    try {
      await prove(form);
      form.submit();
    } catch {
      form.querySelector("[data-refused]").hidden = false;
    }
  });
}
