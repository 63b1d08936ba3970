// Keeps the dashboard up to date without reloading it. Text from chargers only ever becomes text.
(() => {
  const root = document.getElementById("chargers");
  const words = JSON.parse(document.getElementById("ocpp-words").textContent);
  const language = document.documentElement.lang;
  const find = (name, within = root) => within.querySelector(`[data-${name}]`);
  const field = (within, name) => within.querySelector(`[data-field="${name}"]`);
  const cards = new Map([...root.querySelectorAll("[data-charger]")].map((card) => [card.dataset.charger, card]));
  cards.delete("");

  const number = (digits) => new Intl.NumberFormat(language, { maximumFractionDigits: digits });
  const power = (watts) => (watts === null ? "" : `${number(1).format(watts / 1000)} kW`);
  const energy = (kwh) => (kwh === null ? "" : `${number(2).format(kwh)} kWh`);

  const relative = new Intl.RelativeTimeFormat(language, { numeric: "always" });
  const steps = [["day", 86400], ["hour", 3600], ["minute", 60], ["second", 1]];
  // This machine's clock may be wrong: count from the server's.
  const ahead = Date.now() - Date.parse(root.dataset.now);
  function ago(at) {
    if (!at) return words.never;
    const passed = (Date.now() - ahead - Date.parse(at)) / 1000;
    if (passed < 5) return words.justNow;
    const [unit, seconds] = steps.find(([, length]) => passed >= length);
    return relative.format(-Math.floor(passed / seconds), unit);
  }

  function setText(element, text) {
    if (element.textContent !== text) element.textContent = text;
  }

  function setColour(element, prefix, colour) {
    const others = [...element.classList].filter((name) => Object.values(words.colours).some((c) => name === prefix + c));
    element.classList.remove(...others);
    element.classList.add(prefix + colour);
  }

  function copy(pattern) {
    return root.querySelector(`[data-pattern="${pattern}"]`).content.firstElementChild.cloneNode(true);
  }

  function addCard(row) {
    const item = copy("charger");
    const card = item.matches("[data-charger]") ? item : item.querySelector("[data-charger]");
    card.dataset.charger = row.charger_id;
    if (root.dataset.page) {
      field(card, "title").href = root.dataset.page.replace("CHARGER", () => encodeURIComponent(row.charger_id));
    }
    const next = [...cards.keys()].filter((id) => id > row.charger_id).sort()[0];
    find("items").insertBefore(item, next === undefined ? null : cards.get(next).closest("[data-item]"));
    cards.set(row.charger_id, card);
    find("empty")?.remove();
    return card;
  }

  function paintConnectors(list, connectors) {
    while (list.children.length > connectors.length) list.lastElementChild.remove();
    while (list.children.length < connectors.length) list.append(copy("connector"));
    connectors.forEach((connector, index) => {
      const item = list.children[index];
      setText(field(item, "number"), `${words.connector} ${connector.connector_id}`);
      setText(field(item, "status"), connector.status ? words.statuses[connector.status] ?? connector.status : words.notTold);
      setColour(field(item, "status"), "text-bg-", words.statusColours[connector.status] ?? "secondary");
      setText(field(item, "energy"), energy(connector.energy_kwh));
      setText(field(item, "power"), power(connector.power_w));
    });
  }

  function paint(row) {
    const card = cards.get(row.charger_id) ?? addCard(row);
    card.row = row;
    setText(field(card, "title"), row.name || row.charger_id);
    setText(field(card, "id"), row.charger_id);
    field(card, "id").hidden = !row.name;
    setText(field(card, "state"), words.states[row.state] ?? row.state);
    setColour(field(card, "state"), "text-bg-", words.colours[row.state] ?? "secondary");
    if (card.matches(".card")) setColour(card, "border-", words.colours[row.state] ?? "secondary");
    const total = field(card, "total");
    setText(total, "unlessSingle" in total.dataset && row.connectors.length === 1 ? "" : power(row.power_w));
    setText(field(card, "today"), energy(row.energy_today_kwh));
    if (row.last_seen) field(card, "seen").dateTime = row.last_seen;
    field(card, "connectors").classList.toggle("charger-away", !row.connected);
    paintConnectors(field(card, "connectors"), row.connectors);
  }

  function paintTimes() {
    for (const card of cards.values()) {
      const time = field(card, "seen");
      setText(time, ago(time.getAttribute("datetime")));
    }
  }

  function paintSite(site) {
    const total = (name, text) => {
      const element = root.querySelector(`[data-total="${name}"]`);
      if (element) setText(element, text);
    };
    total("power", power(site.power_w));
    total("today", energy(site.energy_today_kwh));
    total("charging", number(0).format(site.charging));
    total("connected", words.connectedOf.replace("CONNECTED", number(0).format(site.connected)).replace("ALL", number(0).format(site.chargers)));
  }

  // What the address chooses goes on choosing while chargers change; what is typed chooses among what is here.
  const box = find("filter");
  const { state, connected } = root.dataset;
  function isChosen(id, card) {
    const row = card.row;
    if (row && ((state && row.state !== state) || (connected && row.connected !== (connected === "1")))) return false;
    if (!box || !("whole" in root.dataset)) return true;
    return `${id}\n${field(card, "title").textContent}`.toLowerCase().includes(box.value.trim().toLowerCase());
  }
  function filter() {
    let shown = 0;
    for (const [id, card] of cards) {
      const chosen = isChosen(id, card);
      card.closest("[data-item]").hidden = !chosen;
      shown += chosen;
    }
    find("none").hidden = shown > 0 || !find("total");
  }

  function keepInAddress() {
    const address = new URL(location.href);
    const text = box.value.trim();
    if (text) address.searchParams.set("q", text);
    else address.searchParams.delete("q");
    history.replaceState(null, "", address);
    for (const link of root.querySelectorAll("[data-view]")) {
      const target = new URL(link.href);
      if (text) target.searchParams.set("q", text);
      else target.searchParams.delete("q");
      link.href = target;
    }
  }

  const choosing = find("choosing");
  // A page of several cannot tell what is on the others: there the server searches.
  box?.addEventListener("input", () => {
    if (!("whole" in root.dataset)) return;
    keepInAddress();
    filter();
  });
  choosing?.addEventListener("change", (event) => event.target.matches("select") && choosing.requestSubmit());
  // What is empty does not belong into an address.
  choosing?.addEventListener("submit", () => {
    for (const input of choosing.elements) input.disabled = input.name !== "" && input.value === "";
  });
  addEventListener("pageshow", () => [...(choosing?.elements ?? [])].forEach((input) => (input.disabled = false)));

  const live = find("live");
  function setLive(on) {
    live.hidden = false;
    live.dataset.live = on ? "on" : "off";
    for (const word of live.querySelectorAll("[data-live-word]")) word.hidden = word.dataset.liveWord !== live.dataset.live;
  }

  let source;
  function connect() {
    source = new EventSource(root.dataset.events);
    source.addEventListener("open", () => setLive(true));
    source.addEventListener("chargers", (event) => {
      JSON.parse(event.data).forEach(paint);
      paintTimes();
      filter();
    });
    source.addEventListener("site", (event) => paintSite(JSON.parse(event.data)));
    source.addEventListener("error", () => {
      setLive(false);
      // A browser gives up after an answer that is no stream, such as 503.
      if (source.readyState === EventSource.CLOSED) setTimeout(connect, 5000);
    });
  }

  connect();
  paintTimes();
  setInterval(paintTimes, 5000);
})();
