// The chargers on a map, with the colours of their states as they change. Text from chargers only ever becomes text.
(() => {
  const element = document.getElementById("map");
  const words = JSON.parse(document.getElementById("ocpp-words").textContent);
  const { field, setText } = ocppLive;
  const places = new Map([...document.querySelectorAll("[data-places] [data-charger]")].map((item) => [item.dataset.charger, item]));
  const markers = new Map();

  element.hidden = false;
  const map = L.map(element);
  const { tiles, attribution } = element.dataset;
  if (tiles) {
    const text = document.createElement("span");
    text.textContent = attribution;
    L.tileLayer(tiles, { maxZoom: 19, attribution: text.innerHTML }).addTo(map);
  }

  // What the list says of a charger: its state, and the way to its page.
  function popup(item) {
    const content = document.createElement("div");
    content.append(field(item, "title").cloneNode(true), " ", field(item, "state").cloneNode(true));
    return content;
  }

  function colour(marker, name) {
    const path = marker.getElement();
    for (const old of [...path.classList]) if (old.startsWith("place-")) path.classList.remove(old);
    path.classList.add(`place-${name}`);
  }

  const where = (item) => [Number(item.dataset.latitude), Number(item.dataset.longitude)];
  map.fitBounds(L.latLngBounds([...places.values()].map(where)), { maxZoom: 15, padding: [30, 30] });
  for (const [id, item] of places) {
    const marker = L.circleMarker(where(item), { radius: 9, className: "place", color: null, fillColor: null }).addTo(map);
    marker.bindPopup(() => popup(item)).bindTooltip(() => document.createTextNode(field(item, "title").textContent));
    const badge = [...field(item, "state").classList].find((name) => name.startsWith("text-bg-"));
    colour(marker, badge.slice("text-bg-".length));
    markers.set(id, marker);
  }

  function paint(row) {
    const item = places.get(row.charger_id);
    if (!item) return;
    const name = words.colours[row.state] ?? "secondary";
    const state = field(item, "state");
    setText(state, words.states[row.state] ?? row.state);
    setText(field(item, "title"), row.name || row.charger_id);
    if (state.classList.contains(`text-bg-${name}`)) return;
    state.className = `badge text-bg-${name}`;
    colour(markers.get(row.charger_id), name);
  }

  ocppLive.follow(element.dataset.events, {
    chargers: (rows) => rows.forEach((row) => ocppLive.paint(row.charger_id, () => paint(row))),
  });

  document.querySelector("[data-choosing]").addEventListener("change", (event) => event.target.matches("select") && event.target.form.requestSubmit());
})();
