// The list of municipalities follows the chosen state: <select data-municipalities="id of the list">. The list comes
// with the municipalities of every state, one group for each.
for (const state of document.querySelectorAll("select[data-municipalities]")) {
  const list = document.getElementById(state.dataset.municipalities);
  const groups = [...list.querySelectorAll("optgroup")];

  const follow = () => {
    const kept = list.value;
    const follows = (group) => !state.value || group.firstElementChild.dataset.state === state.value;
    for (const group of groups) group.remove();
    list.append(...groups.filter(follows));
    // Both states may have a municipality of this name: the one that is left is meant.
    list.value = kept;
    if (list.selectedIndex < 0) list.value = "";
  };

  state.addEventListener("change", follow);
  follow();
}
