// Picks a charger's coordinates on a map: its marker is dragged, or a click puts it there. The fields stay what counts.
(() => {
  const DIGITS = 6;
  const root = document.querySelector("[data-map-picker]");
  const latitude = document.getElementById("latitude");
  const longitude = document.getElementById("longitude");
  if (!latitude || !longitude || !window.L) return;
  longitude.closest(".form-group").after(root);
  root.hidden = false;

  const map = L.map(root.querySelector(".map"));
  const { tiles, attribution } = root.dataset;
  if (tiles) {
    const text = document.createElement("span");
    text.textContent = attribution;
    L.tileLayer(tiles, { maxZoom: 19, attribution: text.innerHTML }).addTo(map);
  }
  const centre = L.latLng(Number(root.dataset.latitude), Number(root.dataset.longitude));
  const marker = L.marker(centre, { draggable: true, autoPan: true, title: root.dataset.marker, alt: root.dataset.marker });

  // A comma is how some readers write it; what is no place on earth is none.
  function typed() {
    const [lat, lng] = [latitude, longitude].map((field) => (field.value.trim() === "" ? NaN : Number(field.value.replace(",", "."))));
    return Math.abs(lat) <= 90 && Math.abs(lng) <= 180 ? L.latLng(lat, lng) : null;
  }

  function write(at) {
    const { lat, lng } = at.wrap();
    latitude.value = lat.toFixed(DIGITS);
    longitude.value = lng.toFixed(DIGITS);
    marker.setOpacity(1);
  }

  // Without a place the marker waits in the middle, half there, to be dragged.
  function show() {
    const at = typed();
    marker.setLatLng(at ?? map.getCenter()).setOpacity(at ? 1 : 0.5);
    if (at) map.panTo(at);
  }

  const start = typed();
  map.setView(start ?? centre, start ? 16 : 11);
  marker.addTo(map);
  show();
  marker.on("dragend", () => write(marker.getLatLng()));
  map.on("click", (event) => {
    marker.setLatLng(event.latlng);
    write(event.latlng);
  });
  for (const field of [latitude, longitude]) field.addEventListener("input", show);
  root.querySelector("[data-clear]").addEventListener("click", () => {
    latitude.value = longitude.value = "";
    show();
  });
})();
