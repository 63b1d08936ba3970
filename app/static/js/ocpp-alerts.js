// Keeps the alerts above the dashboard up to date, for staff. Text from chargers only ever becomes text.
(() => {
  const EVERY_MS = 15000;
  const part = document.querySelector("[data-alerts]");
  const list = part.querySelector("ul");

  function item(alert) {
    const line = document.createElement("li");
    const link = document.createElement(alert.charger_id ? "a" : "span");
    if (alert.charger_id) {
      link.href = part.dataset.log.replace("CHARGER", () => encodeURIComponent(alert.charger_id));
      link.className = "alert-link";
    }
    link.textContent = alert.text;
    line.append(link);
    return line;
  }

  function paint(alerts) {
    list.replaceChildren(...alerts.map(item));
    part.hidden = !alerts.length;
    const chargers = new Set(alerts.map((alert) => alert.charger_id));
    for (const mark of document.querySelectorAll('[data-field="alert"]')) {
      mark.hidden = !chargers.has(mark.closest("[data-charger]").dataset.charger);
    }
  }

  async function ask() {
    const answer = await fetch(part.dataset.alerts, { headers: { Accept: "application/json" } });
    if (answer.ok) paint((await answer.json()).alerts);
  }

  async function tick() {
    if (!document.hidden) await ask().catch(() => {}); // the server is away: ask again
    setTimeout(tick, EVERY_MS);
  }

  setTimeout(tick, EVERY_MS);
})();
