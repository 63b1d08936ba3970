// Shows how far a file of tags is, and the page anew when the worker has done with it.
const shown = document.querySelector("[data-progress-url]");
const bar = shown?.querySelector("progress");
const EVERY_MS = 1000, SLOWER_AFTER_MS = 60_000, SLOWER_MS = 5000;
const begun = Date.now();

async function look() {
  if (!document.hidden) {
    try {
      const answer = await fetch(shown.dataset.progressUrl, {redirect: "error"});
      if (answer.ok) show(await answer.json());
    } catch {
      // The server is away, or the login has ended: the next look, or a reload, will tell.
    }
  }
  setTimeout(look, Date.now() - begun > SLOWER_AFTER_MS ? SLOWER_MS : EVERY_MS);
}

function show(told) {
  if (told.state !== shown.dataset.state) location.reload();
  shown.querySelector("[role=status]").textContent = told.text;
  if (told.lines) {
    bar.max = told.lines;
    bar.value = told.done;
  }
}

if (shown) setTimeout(look, EVERY_MS);

// A file that is too large is better refused before it is sent.
const file = document.querySelector("input[type=file][data-most-bytes]");
file?.addEventListener("change", () => {
  const tooLarge = file.files[0]?.size > Number(file.dataset.mostBytes);
  file.setCustomValidity(tooLarge ? file.dataset.tooLarge : "");
  file.reportValidity();
});
