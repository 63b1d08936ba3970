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
    const column = copy("charger");
    const card = column.querySelector("[data-charger]");
    card.dataset.charger = row.charger_id;
    if (root.dataset.log) {
      field(card, "title").href = root.dataset.log.replace("CHARGER", () => encodeURIComponent(row.charger_id));
    }
    const next = [...cards.keys()].filter((id) => id > row.charger_id).sort()[0];
    find("cards").insertBefore(column, next === undefined ? null : cards.get(next).closest(".col"));
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
    setColour(card, "border-", words.colours[row.state] ?? "secondary");
    setText(field(card, "total"), row.connectors.length === 1 ? "" : power(row.power_w));
    if (row.last_seen) field(card, "seen").dateTime = row.last_seen;
    field(card, "connectors").classList.toggle("opacity-50", !row.connected);
    paintConnectors(field(card, "connectors"), row.connectors);
  }

  function paintTimes() {
    for (const card of cards.values()) {
      const time = field(card, "seen");
      setText(time, ago(time.getAttribute("datetime")));
    }
  }

  function summarise() {
    const rows = [...cards.values()].map((card) => card.row).filter(Boolean);
    if (!find("summary") || rows.length < cards.size) return;
    const count = (name, text) => setText(root.querySelector(`[data-count="${name}"]`), String(text));
    count("all", rows.length);
    count("connected", rows.filter((row) => row.connected).length);
    count("charging", rows.filter((row) => row.state === "charging").length);
    count("power", power(rows.reduce((sum, row) => sum + (row.power_w ?? 0), 0)));
  }

  const box = find("filter");
  function filter() {
    const wanted = box.value.trim().toLowerCase();
    let shown = 0;
    for (const [id, card] of cards) {
      const matches = `${id}\n${field(card, "title").textContent}`.toLowerCase().includes(wanted);
      card.closest(".col").hidden = !matches;
      shown += matches;
    }
    find("none").hidden = shown > 0 || !wanted;
  }
  box.addEventListener("input", filter);

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
      summarise();
      filter();
    });
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
