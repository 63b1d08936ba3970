// The page of the JSON addresses: Swagger UI on our own document.
(() => {
  const root = document.documentElement;
  const place = document.getElementById("swagger-ui");

  // It has dark colours of its own, under its own class.
  const dress = () => root.classList.toggle("dark-mode", root.dataset.bsTheme === "dark");
  dress();
  new MutationObserver(dress).observe(root, { attributeFilter: ["data-bs-theme"] });

  // Whoever is logged in may try what changes something, too.
  const prove = (request) => {
    const token = place.dataset.csrfToken;
    if (token && request.method && !["GET", "HEAD"].includes(request.method.toUpperCase())) {
      request.headers = { "X-CSRFToken": token, ...request.headers };
    }
    return request;
  };

  SwaggerUIBundle({
    url: place.dataset.document,
    domNode: place,
    deepLinking: false, // its links stand inside of buttons, where nobody can reach them by keyboard
    onComplete: () => place.querySelector("#servers")?.setAttribute("aria-label", place.dataset.servers),
    defaultModelsExpandDepth: 0, // the list of schemas is long
    validatorUrl: null, // it would ask a server on the internet
    requestInterceptor: prove,
    presets: [SwaggerUIBundle.presets.apis],
    layout: "BaseLayout",
  });
})();
