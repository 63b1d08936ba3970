// Odoo instances in the administration: the page shows what comes of checks, without being loaded again.
(() => {
  const { states } = document.currentScript.dataset;
  const BUSY_MS = 1500;
  const IDLE_MS = 20_000;
  const parts = [...document.querySelectorAll("[data-odoo]")];
  const ids = [...new Set(parts.map((part) => part.dataset.odoo))];
  const isBusy = () => parts.some((part) => part.hasAttribute("data-odoo-busy"));

  const show = (told) => {
    for (const part of parts.filter((one) => one.dataset.odoo === String(told.id))) {
      const { odooPart: name } = part.dataset;
      if (part.textContent !== told[name]) part.textContent = told[name];
      if (name !== "state") continue;
      if (part.hasAttribute("data-odoo-reload") && part.hasAttribute("data-odoo-busy") && !told.busy) location.reload();
      part.className = part.className.replace(/\bbadge-\w+/, `badge-${told.colour}`);
      part.toggleAttribute("data-odoo-busy", told.busy);
    }
  };

  const look = async () => {
    if (!document.hidden) {
      const query = new URLSearchParams(ids.map((id) => ["id", id]));
      const answer = await fetch(`${states}?${query}`, { redirect: "error" });
      if (!answer.ok) throw new Error(answer.statusText);
      (await answer.json()).states.forEach(show);
    }
  };

  const again = () =>
    setTimeout(() => look().catch(() => {}).finally(again), isBusy() ? BUSY_MS : IDLE_MS);
  if (ids.length) again();
})();
