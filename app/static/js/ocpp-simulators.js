// Keeps the list of simulators up to date: asks every two seconds how the rows on this page do.
(() => {
  const EVERY_MS = 2000;
  const address = document.getElementById("simulators").dataset.live;
  const forms = new Map([...document.querySelectorAll("[data-control]")].map((form) => [form.dataset.control, form]));
  if (!forms.size) return;
  const asked = new URLSearchParams([...forms.keys()].map((id) => ["id", id]));

  function paint({ id, wanted, cells }) {
    for (const [name, html] of Object.entries(cells)) {
      const cell = document.querySelector(`[data-simulator="${id}"][data-cell="${name}"]`);
      // Escaped by the server's template; left alone where nothing has changed, so that links keep the focus.
      if (cell && cell.dataset.html !== html) cell.innerHTML = cell.dataset.html = html;
    }
    for (const button of forms.get(String(id)).querySelectorAll("button")) {
      button.hidden = (button.value === "start") === wanted;
    }
  }

  async function ask() {
    const answer = await fetch(`${address}?${asked}`, { headers: { Accept: "application/json" } });
    if (answer.redirected) location.reload(); // logged out: to the login page and back
    if (answer.ok) (await answer.json()).forEach(paint);
  }

  async function tick() {
    if (!document.hidden) await ask().catch(() => {}); // the server is away: ask again
    setTimeout(tick, EVERY_MS);
  }

  setTimeout(tick, EVERY_MS);
})();
