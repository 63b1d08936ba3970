// What pages that follow chargers share: how they paint, how numbers are written, the event stream and its badge.
const ocppLive = (() => {
  const [LEAST_MS, MOST_MS] = [6, 16];
  const HIDDEN_MS = 1000;
  const POLL_MS = 10000;
  const RETRY_MS = 60000;
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

  const language = document.documentElement.lang;
  const [whole, tenths, hundredths] = [0, 1, 2].map((digits) => new Intl.NumberFormat(language, { maximumFractionDigits: digits }));
  const count = (number) => whole.format(number);
  const power = (watts, unknown = "") => (watts === null ? unknown : `${tenths.format(watts / 1000)} kW`);
  const energy = (kwh, unknown = "") => (kwh === null ? unknown : `${hundredths.format(kwh)} kWh`);

  const field = (within, name) => within?.querySelector(`[data-field="${name}"]`);
  function setText(element, text) {
    if (element && element.textContent !== text) element.textContent = text;
  }

  function setLive(on) {
    const badge = document.querySelector("[data-live]");
    badge.hidden = false;
    badge.dataset.live = on ? "on" : "off";
    for (const word of badge.querySelectorAll("[data-live-word]")) word.hidden = word.dataset.liveWord !== badge.dataset.live;
  }

  // Follow a stream; `events`: what to do with the content of each kind. A browser gives up after an answer that is no
  // stream, such as 503: then `refused` is called, and the stream is tried again after a while.
  function stream(address, events, { opened = () => {}, failed = () => {}, refused = () => {}, again_ms = 5000 } = {}) {
    const source = new EventSource(address);
    source.addEventListener("open", opened);
    for (const [name, use] of Object.entries(events)) {
      source.addEventListener(name, (event) => use(JSON.parse(event.data)));
    }
    source.addEventListener("error", () => {
      failed();
      if (source.readyState !== EventSource.CLOSED) return; // it comes again by itself
      refused();
      setTimeout(stream, again_ms, address, events, { opened, failed, refused, again_ms });
    });
  }

  // The page's own stream, which its badge tells of. Where none can be had, what `poll` names is asked for now and then.
  function follow(address, events, poll) {
    let polling;
    const opened = () => {
      clearInterval(polling);
      setLive(true);
    };
    const failed = () => setLive(false);
    function refused() {
      clearInterval(polling);
      ask(poll);
      polling = setInterval(ask, POLL_MS, poll);
    }
    stream(address, events, poll ? { opened, failed, refused, again_ms: RETRY_MS } : { opened, failed });
  }

  async function ask({ address, use }) {
    if (document.hidden) return;
    try {
      const answer = await fetch(address, { headers: { Accept: "application/json" } });
      if (answer.status === 401) return location.reload(); // logged out: to the login page and back
      setLive(answer.ok);
      if (answer.ok) use(await answer.json());
    } catch {
      setLive(false);
    }
  }

  return { paint, count, power, energy, field, setText, stream, follow, RETRY_MS };
})();
