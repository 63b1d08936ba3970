// Keeps a charger's landing page up to date. What the page says comes from the server; only numbers are painted here.
(() => {
  const root = document.getElementById("landing");
  const RENEW_MS = 2000;
  const part = (name) => root.querySelector(`[data-part="${name}"]`);
  const { energy, field, power, setText } = ocppLive;

  // An order is on its way: one click is enough, and the page must not change under it.
  let sending = false;
  root.addEventListener("submit", (event) => {
    if (sending) return event.preventDefault();
    sending = true;
    const button = event.target.querySelector("[data-asking]");
    setTimeout(() => {
      setText(button, button.dataset.asking);
      for (const one of root.querySelectorAll("[data-asking]")) one.disabled = true;
    });
  });
  addEventListener("pageshow", (event) => {
    if (event.persisted) location.reload(); // "back" to a page that has asked already
  });

  // Something has begun or ended: the server knows best what the page looks like now.
  let renewal;
  let renewedAt = 0;
  function renew() {
    renewal ??= setTimeout(fetchPage, Math.max(0, renewedAt + RENEW_MS - Date.now()));
  }
  async function fetchPage() {
    renewal = undefined;
    renewedAt = Date.now();
    try {
      const answer = await fetch(location.href);
      if (!answer.ok || sending) return;
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      for (const old of root.querySelectorAll("[data-part]")) {
        const fresh = page.querySelector(`[data-part="${old.dataset.part}"]`);
        if (fresh) exchange(old, document.adoptNode(fresh));
      }
    } catch {
      // The server is away: the stream will say when it is back.
    }
  }

  // What the driver has chosen, and where they are, stays.
  function exchange(old, fresh) {
    const focused = old.contains(document.activeElement) ? document.activeElement.id : "";
    for (const input of old.querySelectorAll("select, input[type=radio]:checked")) {
      const same = input.type === "radio" ? fresh.querySelector(`#${CSS.escape(input.id)}`) : fresh.querySelector("select");
      if (same?.type === "radio") same.checked = true;
      else if (same && [...same.options].some((option) => option.value === input.value)) same.value = input.value;
    }
    old.replaceWith(fresh);
    if (focused) document.getElementById(focused)?.focus();
  }

  function paint(row) {
    const outlets = row.connectors.map((one) => `${one.connector_id}:${one.status}:${one.energy_kwh === null ? 0 : 1}`);
    if ([row.state, ...outlets].join("|") !== part("state").dataset.key) return renew();
    for (const one of row.connectors) {
      const item = root.querySelector(`[data-connector="${one.connector_id}"]`);
      setText(field(item, "energy"), energy(one.energy_kwh));
      setText(field(item, "power"), power(one.power_w));
    }
  }

  function paintMine(state) {
    const mine = part("yours");
    const here = state.running.filter((session) => session.charger === root.dataset.charger);
    const sessions = here.map((session) => session.id).join(",");
    if (sessions !== mine.dataset.sessions || Number(state.may_charge) !== Number(mine.dataset.may)) return renew();
    if (state.balance_kwh !== null) setText(field(mine, "balance"), energy(state.balance_kwh));
    for (const session of here) {
      const card = mine.querySelector(`[data-session="${session.id}"]`);
      setText(field(card, "energy"), energy(session.energy_kwh));
      setText(field(card, "power"), power(session.power_w, "–"));
    }
  }

  function usePolled(row) {
    paint(row);
    if (root.dataset.mine) renew();
  }

  ocppLive.follow(root.dataset.events, { chargers: (rows) => rows.forEach(paint) }, { address: root.dataset.status, use: usePolled });
  if (root.dataset.mine) {
    // Refused: perhaps nobody is logged in any more.
    ocppLive.stream(root.dataset.mine, { state: paintMine }, { refused: renew, again_ms: ocppLive.RETRY_MS });
  }
})();
