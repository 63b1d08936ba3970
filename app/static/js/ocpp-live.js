// What pages that follow chargers share.
const ocppLive = (() => {
  const [LEAST_MS, MOST_MS] = [6, 16];
  const HIDDEN_MS = 1000;
  const jobs = new Map();
  const drawn = new MessageChannel();
  // How long a pass may take: as long as the browser then lays out and draws. That costs much the same however little has
  // changed, above all in a long table, so that many short passes would take longer than a few.
  let budget = LEAST_MS;
  let ended = 0;
  let frame;
  let timer;

  drawn.port1.onmessage = () => (budget = Math.min(MOST_MS, Math.max(LEAST_MS, performance.now() - ended)));

  function pass() {
    frame = timer = undefined;
    const until = document.hidden ? Infinity : performance.now() + budget;
    for (const [thing, job] of jobs) {
      jobs.delete(thing);
      job();
      if (performance.now() > until) break;
    }
    ended = performance.now();
    if (!document.hidden) drawn.port2.postMessage(null); // arrives after the frame
    if (jobs.size) schedule();
  }

  function schedule() {
    if (frame !== undefined || timer !== undefined) return;
    // No frame comes while nobody looks.
    if (document.hidden) timer = setTimeout(pass, HIDDEN_MS);
    else frame = requestAnimationFrame(pass);
  }

  document.addEventListener("visibilitychange", () => {
    cancelAnimationFrame(frame);
    clearTimeout(timer);
    frame = timer = undefined;
    if (jobs.size) schedule();
  });

  // Paint a thing in the next frame that has time for it. A newer job takes the place of one that waits.
  function paint(thing, job) {
    jobs.set(thing, job);
    schedule();
  }

  return { paint };
})();
