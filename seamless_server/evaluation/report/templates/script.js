"use strict";
// Tables sort by their headings; sentences sort by the chosen figure and filter by text.
for (const button of document.querySelectorAll("th button")) {
  button.addEventListener("click", () => {
    const heading = button.closest("th"), body = heading.closest("table").tBodies[0];
    const column = [...heading.parentNode.children].indexOf(heading);
    const up = heading.getAttribute("aria-sort") !== "ascending";
    for (const other of heading.parentNode.children) other.removeAttribute("aria-sort");
    heading.setAttribute("aria-sort", up ? "ascending" : "descending");
    const key = (row) => { const cell = row.cells[column]; return cell.dataset.v ?? cell.textContent; };
    const sorted = [...body.rows].sort((a, b) => {
      const x = key(a), y = key(b), n = parseFloat(x) - parseFloat(y);
      return (Number.isNaN(n) ? x.localeCompare(y) : n) * (up ? 1 : -1);
    });
    body.append(...sorted);
  });
}
const list = document.getElementById("sentences");
if (list) {
  const order = document.getElementById("order"), search = document.getElementById("search");
  const show = () => {
    const [name, direction] = order.value.split(" ");
    const value = (item) => parseFloat(item.dataset[name] ?? "NaN");
    const items = [...list.children].sort((a, b) => {
      const x = value(a), y = value(b);
      if (Number.isNaN(x)) return -1;
      if (Number.isNaN(y)) return 1;
      return direction === "up" ? x - y : y - x;
    });
    list.append(...items);
  };
  order.addEventListener("change", show);
  search.addEventListener("input", () => {
    const wanted = search.value.toLowerCase();
    for (const item of list.children) item.hidden = !item.textContent.toLowerCase().includes(wanted);
  });
}
