// Two rows side by side: the fields in which their answers differ, which the module finds, and their pictures.

function comparable(form) {
  const answers = JSON.parse(document.getElementById("answers").textContent);
  const status = document.getElementById("compared");
  const place = document.getElementById("differences");
  let latest = 0;

  const show = async () => {
    const turn = ++latest;
    const [left, right] = ["left", "right"].map((name) => Number(form.elements[name].value));
    const missing = [left, right].find((row) => answers[row] === null);
    const reply =
      missing === undefined
        ? await ask({ compare: { left: answers[left], right: answers[right] } })
        : { error: `row ${missing + 1} has no layout; its section says why` };
    // Another choice may have been made meanwhile.
    if (turn !== latest) {
      return;
    }
    if (reply.error) {
      status.textContent = `No comparison: ${reply.error}.`;
      place.replaceChildren();
      return;
    }
    const count = reply.differences.length;
    status.textContent = `Rows ${left + 1} and ${right + 1} differ in ${count} ${count === 1 ? "field" : "fields"}.`;
    const sides = element("div", "", { class: "sides" });
    sides.append(side(left), side(right));
    place.replaceChildren(sides, ...fields(reply.differences, left, right));
  };
  form.addEventListener("input", show);
  form.addEventListener("submit", (event) => event.preventDefault());
  form.hidden = false;
  show();
}

// What is, and apart from it what other settings would give.
function fields(differences, left, right) {
  const isTrial = ({ path }) => path.startsWith("account.what_if.");
  const [facts, trials] = [differences.filter((one) => !isTrial(one)), differences.filter(isTrial)];
  const shown = [];
  if (facts.length > 0) {
    shown.push(differing("Fields that differ", facts, left, right));
  }
  if (trials.length > 0) {
    const details = document.createElement("details");
    const title = `What other settings would give: ${trials.length} more`;
    details.append(element("summary", title), differing("Other settings", trials, left, right));
    shown.push(details);
  }
  return shown;
}

function differing(name, differences, left, right) {
  const table = document.createElement("table");
  const head = table.createTHead().insertRow();
  for (const name of ["Field", `Row ${left + 1}`, `Row ${right + 1}`]) {
    head.append(element("th", name, { scope: "col" }));
  }
  const body = table.createTBody();
  for (const difference of differences) {
    const row = body.insertRow();
    const heading = element("th", "", { scope: "row" });
    heading.append(element("code", difference.path));
    row.append(heading);
    for (const value of [difference.left, difference.right]) {
      row.append(element("td", readable(difference.path, value)));
    }
  }
  const scroll = element("div", "", { class: "scroll", tabindex: "0", role: "region", "aria-label": name });
  scroll.append(table);
  return scroll;
}

// Bytes of the account also in words.
function readable(path, value) {
  const isBytes = typeof value === "number" && path.startsWith("account.") && value >= 1024;
  if (isBytes && !path.endsWith(".banks") && !path.startsWith("account.zones.")) {
    return `${value} (${size(value)})`;
  }
  return typeof value === "string" ? value : JSON.stringify(value);
}

// The pictures of a row, copied from its section.
function side(row) {
  const figure = document.createElement("figure");
  figure.append(element("figcaption", `Row ${row + 1}`));
  const pictures = document.querySelectorAll(`#row-${row + 1} .picture`);
  const place = element("div", "", { class: "pictures", tabindex: "0", role: "group", "aria-label": `Pictures of row ${row + 1}` });
  place.append(...[...pictures].map((one) => one.cloneNode(true)));
  figure.append(place);
  return figure;
}

const compareForm = document.getElementById("compare");
if (compareForm) {
  comparable(compareForm);
}

// Not every browser opens a row that a link leads into.
function openTarget() {
  const target = location.hash.startsWith("#row-") && document.getElementById(location.hash.slice(1));
  const row = target && target.closest("details");
  if (row) {
    row.open = true;
    target.focus();
  }
}
window.addEventListener("hashchange", openTarget);
openTarget();
