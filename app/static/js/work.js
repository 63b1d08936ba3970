// Keeps the page of the work up to date: asks every five seconds, unless nobody looks or somebody is about to act.
(() => {
  const EVERY_MS = 5000;
  const part = document.getElementById("work");

  async function ask() {
    const answer = await fetch(part.dataset.news, { headers: { Accept: "text/html" } });
    if (answer.redirected) location.reload(); // logged out: to the login page and back
    if (!answer.ok || answer.redirected) return;
    const text = await answer.text();
    if (!part.contains(document.activeElement)) part.innerHTML = text; // escaped by the server's template
  }

  async function tick() {
    if (!document.hidden) await ask().catch(() => {}); // the server is away: ask again
    setTimeout(tick, EVERY_MS);
  }

  setTimeout(tick, EVERY_MS);
})();
