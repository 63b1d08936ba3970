// The preview of a mail template, as it is typed.
"use strict";

(() => {
  const preview = document.getElementById("mail-preview");
  const button = document.getElementById("mail-preview-button");
  const form = button && button.form;
  if (!preview || !form) return;
  const PAUSE_MS = 300;
  let timer = 0;
  let asked = 0;

  async function show() {
    const number = ++asked;
    let html;
    try {
      const answer = await fetch(preview.dataset.url, {
        method: "POST", body: new FormData(form), headers: { "X-Requested-With": "fetch" },
      });
      if (!answer.ok || answer.redirected) throw new Error(answer.status);
      html = await answer.text();
    } catch {
      if (number === asked) preview.textContent = preview.dataset.failed;
      return;
    }
    if (number === asked) preview.innerHTML = html; // the server has escaped it
  }

  form.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(show, PAUSE_MS);
  });
  button.hidden = true; // what it does happens by itself
  show();
})();
