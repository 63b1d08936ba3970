// Forms that ask before they act: <form data-confirm="Really?">.
addEventListener("submit", (event) => {
  const question = event.target.dataset.confirm;
  if (question && !confirm(question)) event.preventDefault();
});
