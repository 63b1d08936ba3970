// Keeps the dashboard up to date without reloading it. Text from chargers only ever becomes text.
(() => {
  const root = document.getElementById("chargers");
  const words = JSON.parse(document.getElementById("ocpp-words").textContent);
  const language = document.documentElement.lang;
  const find = (name, within = root) => within.querySelector(`[data-${name}]`);
  const { count, energy, field, power, setText } = ocppLive;
  const PARTS = ["title", "id", "state", "total", "today", "seen", "connectors"];

  // A charger's card, or its line of the table. Its parts are looked up once, when they are first painted.
  class Card {
    #parts;
    row = null;
    constructor(element) {
      this.element = element;
      this.item = element.closest("[data-item]");
      this.chosen = !this.item.hidden;
    }
    get parts() {
      return (this.#parts ??= Object.fromEntries(PARTS.map((name) => [name, field(this.element, name)])));
    }
  }
  const cards = new Map([...root.querySelectorAll("[data-charger]")].map((element) => [element.dataset.charger, new Card(element)]));
  const order = [...cards.keys()].sort();

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

  function setHidden(element, hidden) {
    if (element.hidden !== hidden) element.hidden = hidden;
  }

  const colours = [...new Set(["secondary", ...Object.values(words.colours)])];
  function setColour(element, prefix, colour) {
    if (element.classList.contains(prefix + colour)) return;
    element.classList.remove(...colours.map((name) => prefix + name));
    element.classList.add(prefix + colour);
  }

  function copy(pattern) {
    return root.querySelector(`[data-pattern="${pattern}"]`).content.firstElementChild.cloneNode(true);
  }

  // Where an id stands, or would stand, among all.
  function placeOf(id) {
    let [from, to] = [0, order.length];
    while (from < to) {
      const middle = (from + to) >> 1;
      if (order[middle] < id) from = middle + 1;
      else to = middle;
    }
    return from;
  }

  function addCard(row) {
    const item = copy("charger");
    const element = item.matches("[data-charger]") ? item : item.querySelector("[data-charger]");
    element.dataset.charger = row.charger_id;
    item.hidden = true; // until it is chosen
    const card = new Card(element);
    if (root.dataset.page) {
      card.parts.title.href = root.dataset.page.replace("CHARGER", () => encodeURIComponent(row.charger_id));
    }
    const place = placeOf(row.charger_id);
    find("items").insertBefore(item, cards.get(order[place])?.item ?? null);
    order.splice(place, 0, row.charger_id);
    cards.set(row.charger_id, card);
    find("empty")?.remove();
    return card;
  }

  function paintConnectors(list, connectors) {
    while (list.children.length > connectors.length) list.lastElementChild.remove();
    while (list.children.length < connectors.length) list.append(copy("connector"));
    connectors.forEach((connector, index) => {
      const item = list.children[index];
      const status = field(item, "status");
      setText(field(item, "number"), `${words.connector} ${connector.connector_id}`);
      setText(status, connector.status ? words.statuses[connector.status] ?? connector.status : words.notTold);
      setColour(status, "text-bg-", words.statusColours[connector.status] ?? "secondary");
      setText(field(item, "energy"), energy(connector.energy_kwh));
      setText(field(item, "power"), power(connector.power_w));
    });
  }

  function paint(row) {
    const card = cards.get(row.charger_id) ?? addCard(row);
    const { title, id, state, total, today, seen, connectors } = card.parts;
    const colour = words.colours[row.state] ?? "secondary";
    card.row = row;
    setText(title, row.name || row.charger_id);
    setText(id, row.charger_id);
    setHidden(id, !row.name);
    setText(state, words.states[row.state] ?? row.state);
    setColour(state, "text-bg-", colour);
    if (card.element.matches(".card")) setColour(card.element, "border-", colour);
    setText(total, "unlessSingle" in total.dataset && row.connectors.length === 1 ? "" : power(row.power_w));
    setText(today, energy(row.energy_today_kwh));
    if (row.last_seen && seen.getAttribute("datetime") !== row.last_seen) seen.dateTime = row.last_seen;
    connectors.classList.toggle("charger-away", !row.connected);
    paintConnectors(connectors, row.connectors);
    paintTime(card);
    choose(row.charger_id, card);
  }

  function paintTime(card) {
    const { seen } = card.parts;
    setText(seen, ago(seen.getAttribute("datetime")));
  }
  function paintTimes() {
    for (const card of cards.values()) ocppLive.paint(card, () => paintTime(card));
  }

  function paintSite(site) {
    const total = (name, text) => {
      const element = root.querySelector(`[data-total="${name}"]`);
      if (element) setText(element, text);
    };
    total("power", power(site.power_w));
    total("today", energy(site.energy_today_kwh));
    total("charging", count(site.charging));
    total("connected", words.connectedOf.replace("CONNECTED", count(site.connected)).replace("ALL", count(site.chargers)));
  }

  // What the address chooses goes on choosing while chargers change; what is typed chooses among what is here.
  const box = find("filter");
  const { state, connected } = root.dataset;
  function isChosen(id, card) {
    const { row } = card;
    if (row && ((state && row.state !== state) || (connected && row.connected !== (connected === "1")))) return false;
    if (!box || !("whole" in root.dataset)) return true;
    return `${id}\n${card.parts.title.textContent}`.toLowerCase().includes(box.value.trim().toLowerCase());
  }
  let shown = cards.size;
  const none = find("none");
  function choose(id, card) {
    const chosen = isChosen(id, card);
    if (chosen === card.chosen) return;
    card.chosen = chosen;
    card.item.hidden = !chosen;
    shown += chosen ? 1 : -1;
    setHidden(none, shown > 0 || !find("total"));
  }
  function filter() {
    for (const [id, card] of cards) choose(id, card);
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

  ocppLive.follow(root.dataset.events, {
    chargers: (rows) => rows.forEach((row) => ocppLive.paint(row.charger_id, () => paint(row))),
    site: (site) => ocppLive.paint(paintSite, () => paintSite(site)),
  });
  paintTimes();
  setInterval(paintTimes, 5000);
})();
