// The chat page: send a line to the echo socket and show what comes back.
(() => {
  const card = document.querySelector("[data-echo]");
  const part = (name) => card.querySelector(`[data-echo-${name}]`);
  const [state, form, send, again, log] = ["state", "form", "send", "again", "log"].map(part);
  const LINES = 100;
  let socket;

  const show = (name, colour) => {
    state.textContent = state.dataset[name];
    state.className = `badge text-bg-${colour}`;
    send.disabled = name !== "open";
    again.hidden = name !== "closed";
  };

  const line = (mark, text) => {
    const item = document.createElement("li");
    item.textContent = `${mark} ${text}`;
    item.className = "text-break";
    log.append(item);
    while (log.children.length > LINES) log.firstChild.remove();
    item.scrollIntoView({ block: "nearest" });
  };

  const connect = () => {
    show("connecting", "secondary");
    socket = new WebSocket(card.dataset.echo);
    socket.addEventListener("open", () => show("open", "success"));
    socket.addEventListener("close", () => show("closed", "danger"));
    socket.addEventListener("message", (event) => line("<", event.data));
  };

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    line(">", form.message.value);
    socket.send(form.message.value);
    form.reset();
  });
  again.addEventListener("click", connect);
  connect();
})();
