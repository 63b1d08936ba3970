// Keeps a charger's landing page up to date. What the page says comes from the server; only numbers are painted here.
(() => {
  const root = document.getElementById("landing");
  const POLL_MS = 10000;
  const RETRY_MS = 60000;
  const RENEW_MS = 2000;
  const language = document.documentElement.lang;
  const part = (name) => root.querySelector(`[data-part="${name}"]`);
  const field = (within, name) => within?.querySelector(`[data-field="${name}"]`);
  const number = (digits) => new Intl.NumberFormat(language, { maximumFractionDigits: digits });
  const power = (watts) => `${number(1).format(watts / 1000)} kW`;
  const energy = (kwh) => `${number(2).format(kwh)} kWh`;

  function setText(element, text) {
    if (element && element.textContent !== text) element.textContent = text;
  }

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
      setText(field(item, "energy"), one.energy_kwh === null ? "" : energy(one.energy_kwh));
      setText(field(item, "power"), one.power_w === null ? "" : power(one.power_w));
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
      setText(field(card, "power"), session.power_w === null ? "–" : power(session.power_w));
    }
  }

  const live = root.querySelector("[data-live]");
  function setLive(on) {
    live.hidden = false;
    live.dataset.live = on ? "on" : "off";
    for (const word of live.querySelectorAll("[data-live-word]")) word.hidden = word.dataset.liveWord !== live.dataset.live;
  }

  // Where no stream can be had, ask now and then.
  async function poll() {
    if (document.hidden) return;
    try {
      const answer = await fetch(root.dataset.status, { headers: { Accept: "application/json" } });
      setLive(answer.ok);
      if (answer.ok) paint(await answer.json());
      if (answer.ok && root.dataset.mine) renew();
    } catch {
      setLive(false);
    }
  }

  let polling;
  function connect() {
    const source = new EventSource(root.dataset.events);
    source.addEventListener("open", () => {
      clearInterval(polling);
      setLive(true);
    });
    source.addEventListener("chargers", (event) => JSON.parse(event.data).forEach(paint));
    source.addEventListener("error", () => {
      setLive(false);
      if (source.readyState !== EventSource.CLOSED) return; // it comes again by itself
      clearInterval(polling);
      poll();
      polling = setInterval(poll, POLL_MS);
      setTimeout(connect, RETRY_MS);
    });
  }

  function connectMine() {
    const source = new EventSource(root.dataset.mine);
    source.addEventListener("state", (event) => paintMine(JSON.parse(event.data)));
    source.addEventListener("error", () => {
      if (source.readyState !== EventSource.CLOSED) return;
      renew(); // perhaps nobody is logged in any more
      setTimeout(connectMine, RETRY_MS);
    });
  }

  connect();
  if (root.dataset.mine) connectMine();
})();
