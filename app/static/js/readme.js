// The table of contents is open where there is room beside the text.
if (matchMedia("(min-width: 992px)").matches) {
  for (const contents of document.querySelectorAll("details[data-open-on-wide]")) contents.open = true;
}
