// The table of rows: a button in each heading sorts by its column, a form filters. Sorting is stable, so that sorting
// by one column and then by another groups.

function sortable(table) {
  const headings = [...table.querySelectorAll("tr.sorts th")];
  headings.forEach((heading, column) => {
    const button = element("button", heading.textContent, { type: "button" });
    heading.replaceChildren(button);
    button.addEventListener("click", () => {
      const down = heading.getAttribute("aria-sort") === "ascending";
      headings.forEach((other) => other.removeAttribute("aria-sort"));
      heading.setAttribute("aria-sort", down ? "descending" : "ascending");
      sort(table.tBodies[0], column, down ? -1 : 1);
    });
  });
}

function sort(body, column, sign) {
  const rows = [...body.rows].map((row) => ({ row, key: key(row.cells[column]) }));
  rows.sort((a, b) => sign * compare(a.key, b.key));
  body.append(...rows.map(({ row }) => row));
}

// What a cell is sorted by: its value, its text as a size, or its text. A dash comes first.
function key(cell) {
  const text = cell.textContent;
  if (cell.querySelector("[aria-hidden]")) {
    return -1;
  }
  const number = cell.dataset.value === undefined ? bytes(text) : Number(cell.dataset.value);
  return Number.isNaN(number) ? text : number;
}

// Numbers before words.
function compare(a, b) {
  if (typeof a === "number" && typeof b === "number") {
    return a - b;
  }
  if (typeof a !== typeof b) {
    return typeof a === "number" ? -1 : 1;
  }
  return a.localeCompare(b, "en", { numeric: true });
}

function filterable(form, table) {
  const status = document.getElementById("shown");
  const rows = [...table.tBodies[0].rows];
  const apply = () => {
    const { text, verdict, split } = Object.fromEntries(new FormData(form));
    // Each word has to begin a word of a cell: `16M` is not in `116M`.
    const words = text.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    for (const row of rows) {
      const matches =
        (!verdict || row.dataset.verdict === verdict) &&
        (!split || row.dataset.split === split) &&
        words.every((word) => has(row, word));
      row.hidden = !matches;
      shown += matches;
    }
    status.textContent = `${shown} of ${rows.length} rows`;
  };
  form.addEventListener("input", apply);
  form.addEventListener("reset", () => setTimeout(apply));
  form.addEventListener("submit", (event) => event.preventDefault());
  form.hidden = false;
}

// Does a word of a cell begin with `word`? `vmalloc=16M` asks for the column of that name.
function has(row, word) {
  const [name, value] = word.includes("=") ? word.split("=", 2) : [undefined, word];
  const columns = [...row.closest("table").querySelectorAll("tr.sorts th")];
  const isMeant = (column) => columns[column].textContent.toLowerCase().replace("=", "") === name;
  return [...row.cells].some((cell, column) => {
    const words = cell.textContent.toLowerCase().split(/\s+/);
    return (name === undefined || isMeant(column)) && words.some((text) => text.startsWith(value));
  });
}

for (const table of document.querySelectorAll("table.rows")) {
  sortable(table);
  filterable(document.getElementById("filter"), table);
}
