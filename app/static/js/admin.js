// What Flask-Admin's pages lack for whoever hears them: a title is no name.
(() => {
  const name = (element) => {
    const title = element.title || element.dataset.originalTitle;
    if (title && !element.hasAttribute("aria-label")) element.setAttribute("aria-label", title);
  };
  document.querySelectorAll("input[type=checkbox][title], a[data-role=tooltip], a.icon[title], button[title]").forEach(name);
  document.querySelectorAll("input[placeholder]:not([aria-label], [id])").forEach((input) => {
    input.setAttribute("aria-label", input.placeholder);
  });
})();
