// Keeps a driver's own page up to date: balance, what charges, its curve. Text from chargers only ever becomes text.
(() => {
  const root = document.getElementById("my");
  if (!root?.dataset.events) return;
  const RENEW_MS = 2000;
  const words = JSON.parse(document.getElementById("ocpp-words").textContent);
  const { count, energy, field, setText } = ocppLive;
  const only = Number(root.dataset.only ?? 0);

  const power = (watts) => ocppLive.power(watts, "–");
  // This machine's clock may be wrong: count from the server's.
  const ahead = Date.now() - Date.parse(root.dataset.now);
  function lasted(since) {
    const minutes = Math.max(0, Math.floor((Date.now() - ahead - Date.parse(since)) / 60000));
    const hours = Math.floor(minutes / 60);
    return hours ? `${count(hours)} h ${String(minutes % 60).padStart(2, "0")} min` : `${minutes} min`;
  }

  function paintBalance(state) {
    const card = root.querySelector("[data-balance]");
    if (!card || state.balance_kwh === null) return;
    const kwh = state.balance_kwh;
    const mood = state.service_account ? "service" : kwh > 0 ? "good" : kwh === 0 ? "zero" : "below";
    setText(field(card, "balance"), energy(kwh));
    setText(field(card, "credits"), energy(state.credits_kwh));
    setText(field(card, "spent"), energy(state.total_kwh_spent));
    field(card, "balance").classList.toggle("text-danger-emphasis", ["zero", "below"].includes(mood));
    if (card.dataset.balance === mood) return;
    card.dataset.balance = mood;
    for (const sentence of card.querySelectorAll("[data-mood]")) sentence.hidden = sentence.dataset.mood !== mood;
  }

  function paintSession(card, session) {
    const badge = field(card, "status");
    const colour = session.connected ? words.statusColours[session.status] ?? "secondary" : "secondary";
    const said = session.status ? words.statuses[session.status] ?? session.status : words.notTold;
    setText(badge, session.connected ? said : words.states.offline);
    badge.className = `badge text-bg-${colour}`;
    setText(field(card, "energy"), energy(session.energy_kwh));
    setText(field(card, "power"), power(session.power_w));
    const curve = card.querySelector("[data-curve]");
    if (curve) curve.dataset.stale = "1";
  }

  function paintTimes() {
    for (const card of root.querySelectorAll("[data-session]")) {
      setText(field(card, "lasted"), `(${lasted(field(card, "since").dateTime)})`);
    }
  }

  // A session has begun or ended: the server knows best what the page looks like now.
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
      if (answer.redirected) return location.reload(); // logged out: to the login page and back
      if (!answer.ok) return;
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      for (const part of root.querySelectorAll("[data-part]")) {
        const fresh = page.querySelector(`[data-part="${part.dataset.part}"]`);
        if (fresh) part.replaceWith(document.adoptNode(fresh));
      }
      watchCurves();
    } catch {
      // The server is away: the stream will say when it is back.
    }
  }

  function paint(state) {
    paintBalance(state);
    const running = only ? state.running.filter((session) => session.id === only) : state.running.slice(0, root.dataset.shown);
    const cards = new Map([...root.querySelectorAll("[data-session]")].map((card) => [Number(card.dataset.session), card]));
    if (running.length !== cards.size || running.some((session) => !cards.has(session.id))) {
      renew();
      return;
    }
    for (const session of running) paintSession(cards.get(session.id), session);
    paintTimes();
  }

  // Curves are drawn by the server, as often as there is something new to see.
  async function redraw(curve) {
    if (!curve.isConnected) return;
    if (curve.dataset.stale && !document.hidden && !curve.querySelector("details[open]")) {
      try {
        const answer = await fetch(curve.dataset.curve, { headers: { Accept: "application/json" } });
        if (answer.ok) {
          const drawn = await answer.json();
          delete curve.dataset.stale;
          curve.dataset.next = drawn.next_s ?? "";
          curve.innerHTML = drawn.html; // escaped by the server's template
        }
      } catch {
        // The server is away: later.
      }
    }
    if (curve.dataset.next) setTimeout(redraw, Number(curve.dataset.next) * 1000, curve);
  }
  function watchCurves() {
    for (const curve of root.querySelectorAll("[data-curve]")) {
      if (curve.dataset.next) setTimeout(redraw, Number(curve.dataset.next) * 1000, curve);
    }
  }

  ocppLive.follow(root.dataset.events, { state: paint }, { address: root.dataset.state, use: paint });
  watchCurves();
  setInterval(paintTimes, 15000);
})();
