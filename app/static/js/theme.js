// Light or dark: the visitor's choice, else the system's. Loaded in the head, before anything is painted.
(() => {
  const system = matchMedia("(prefers-color-scheme: dark)");

  const chosen = () => {
    try {
      return localStorage.getItem("theme");
    } catch {
      return null; // storage is forbidden: the system decides
    }
  };

  const current = () => (["light", "dark"].includes(chosen()) ? chosen() : system.matches ? "dark" : "light");
  const show = (theme) => (document.documentElement.dataset.bsTheme = theme);

  const toggle = () => {
    const next = document.documentElement.dataset.bsTheme === "dark" ? "light" : "dark";
    try {
      localStorage.setItem("theme", next);
    } catch {
      // Not remembered, but shown.
    }
    show(next);
  };

  show(current());
  document.documentElement.classList.add("js");
  system.addEventListener("change", () => show(current()));
  addEventListener("storage", () => show(current())); // another tab has chosen
  addEventListener("click", (event) => event.target.closest("[data-theme-toggle]") && toggle());
})();
