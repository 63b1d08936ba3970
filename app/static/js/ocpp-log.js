// Follows a charger's log: asks every two seconds what has been said since.
(() => {
  const EVERY_MS = 2000;
  const KEPT = 1000;
  const list = document.querySelector("[data-messages]");
  if (!list.dataset.news) return; // an older part of the log: nothing new comes there

  const follow = document.getElementById("follow");
  const foot = document.getElementById("newest");
  document.querySelector("[data-follow-switch]").hidden = false;

  function show(message) {
    const pattern = document.createElement("template");
    pattern.innerHTML = message.html; // escaped by the server's template
    list.append(pattern.content);
  }

  async function ask() {
    const asked = new URLSearchParams({ after: list.dataset.after, q: list.dataset.query });
    const answer = await fetch(`${list.dataset.news}?${asked}`, { headers: { Accept: "application/json" } });
    if (answer.status === 401) location.reload(); // logged out: to the login page and back
    if (!answer.ok) return;
    const { after, messages } = await answer.json();
    list.dataset.after = after;
    if (!messages.length) return;
    const atEnd = foot.getBoundingClientRect().top < innerHeight + 100; // else somebody is reading further up
    messages.forEach(show);
    while (list.children.length > KEPT) list.firstElementChild.remove();
    document.querySelector("[data-nothing]").hidden = true;
    if (atEnd) foot.scrollIntoView({ block: "end" });
  }

  async function tick() {
    if (follow.checked && !document.hidden) await ask().catch(() => {}); // the server is away: ask again
    setTimeout(tick, EVERY_MS);
  }

  foot.scrollIntoView({ block: "end" });
  setTimeout(tick, EVERY_MS);
})();
