// Keeps a charger's page up to date: parts of it when the charger has changed, its plots when there is more to see.
// What is put into the page was made by the server's templates, which escape what chargers say.
(() => {
  const root = document.getElementById("charger");
  const EVERY_MS = 5000;
  const LEAST_MS = 1000;
  const shown = new Map();

  function put(element, html) {
    // Nobody loses their place on the keyboard for nothing.
    if (shown.get(element) === html || element.contains(document.activeElement)) return;
    shown.set(element, html);
    element.innerHTML = html;
  }

  async function ask(address) {
    const answer = await fetch(address, { headers: { Accept: "application/json" } });
    if (!answer.ok) throw new Error(answer.statusText);
    return answer.json();
  }

  let asking = false;
  let last = 0;
  async function refresh() {
    if (asking || document.hidden || performance.now() - last < LEAST_MS) return;
    asking = true;
    try {
      for (const [name, html] of Object.entries(await ask(root.dataset.parts))) {
        put(root.querySelector(`[data-part="${name}"]`), html);
      }
    } catch {
      // The server is away: ask again.
    }
    last = performance.now();
    asking = false;
  }

  async function draw() {
    let next = 30;
    try {
      if (!document.hidden) {
        const drawn = await ask(root.dataset.plots);
        next = drawn.next_s;
        const place = root.querySelector("[data-plots-here]");
        if (!place.querySelector("details[open]")) put(place, drawn.html); // somebody reads the table
      }
    } catch {
      // The server is away: ask again.
    }
    setTimeout(draw, next * 1000);
  }

  ocppLive.follow(root.dataset.events, { chargers: refresh });
  setInterval(refresh, EVERY_MS);
  setTimeout(draw, Number(root.dataset.next) * 1000);
})();
