// The explorer: what is set goes to the module, and what comes back is shown. No rule of the layout is in here.

function explorer(root) {
  const form = root.querySelector("form");
  const banks = root.querySelector("#banks");
  const template = root.querySelector("#bank").content;
  const show = (id) => root.querySelector(`#explore-${id}`);
  const START = { banks: ["0x40000000+1G"], split: "3g", vmalloc: "", dma_zone: "", append: "", highmem: true };

  // What is typed, as it is typed.
  const settings = () => {
    const typed = (name) => form.elements[name].value.trim();
    return {
      banks: [...banks.children].map((bank) => {
        const [start, size] = ["start", "size"].map((name) => bank.querySelector(`[name=${name}]`).value.trim());
        return `${start}+${size}`;
      }),
      split: typed("split"),
      vmalloc: typed("vmalloc"),
      dma_zone: typed("dma_zone"),
      append: typed("append"),
      highmem: form.elements.highmem.checked,
    };
  };

  const restore = (wanted) => {
    banks.replaceChildren();
    for (const bank of wanted.banks.length ? wanted.banks : START.banks) {
      const [start, size] = bank.split("+", 2);
      addBank(start, size ?? "");
    }
    const known = [...form.elements.split].some((radio) => radio.value === wanted.split);
    form.elements.split.value = known ? wanted.split : START.split;
    for (const name of ["vmalloc", "dma_zone", "append"]) {
      form.elements[name].value = wanted[name];
    }
    form.elements.highmem.checked = wanted.highmem;
    for (const text of form.querySelectorAll("[data-slider]")) {
      follow(form.elements[text.dataset.slider], text.value, 240);
    }
  };

  // A slider stands where the text says, if that is a size.
  const follow = (slider, text, otherwise) => {
    const value = bytes(text);
    slider.value = Number.isNaN(value) ? otherwise : value / 2 ** 20;
    slider.setAttribute("aria-valuetext", text || "default");
  };

  const addBank = (start, size) => {
    const bank = template.cloneNode(true).firstElementChild;
    const get = (name) => bank.querySelector(`[name=${name}]`);
    get("start").value = start;
    get("size").value = size;
    follow(get("slider"), size, 1024);
    get("size").addEventListener("input", () => follow(get("slider"), get("size").value, 1024));
    get("slider").addEventListener("input", () => {
      get("size").value = option(get("slider").value * 2 ** 20);
      get("slider").setAttribute("aria-valuetext", get("size").value);
    });
    get("remove").addEventListener("click", () => {
      const next = bank.nextElementSibling ?? bank.previousElementSibling;
      bank.remove();
      number();
      (next?.querySelector("[name=remove]:not(:disabled)") ?? root.querySelector("#add-bank")).focus();
      changed();
    });
    banks.append(bank);
    number();
  };

  // Banks have numbers, and one is left.
  const number = () => {
    [...banks.children].forEach((bank, index) => {
      bank.querySelector("legend").textContent = `Bank ${index + 1}`;
      const remove = bank.querySelector("[name=remove]");
      remove.setAttribute("aria-label", `Remove bank ${index + 1}`);
      remove.disabled = banks.children.length === 1;
    });
  };

  // The next bank starts where the last ends.
  root.querySelector("#add-bank").addEventListener("click", () => {
    const last = [...banks.lastElementChild.querySelectorAll("[type=text]")].map((text) => bytes(text.value));
    const start = last[0] + last[1];
    addBank(Number.isSafeInteger(start) ? address(start) : "", "256M");
    banks.lastElementChild.querySelector("[name=start]").focus();
    changed();
  });

  let latest = 0;
  const draw = async () => {
    const turn = ++latest;
    const now = settings();
    const { machine, fault } = readBanks(now.banks);
    [...banks.children].forEach((bank, index) => {
      for (const name of ["start", "size"]) {
        const text = bank.querySelector(`[name=${name}]`);
        text.setAttribute("aria-invalid", fault?.bank === index && Number.isNaN(bytes(text.value)));
      }
    });
    const { configuration, error } = await configure(now);
    const wrong = fault?.text ?? error;
    const reply = wrong ? { error: wrong } : await ask({ draw: { machine, configuration } });
    if (turn !== latest) {
      return;
    }
    show("error").textContent = reply.error ? `No layout: ${reply.error}.` : "";
    show("found").hidden = Boolean(reply.error);
    show("commands").textContent = wrong ? "" : commands(machine, configuration).join("\n");
    if (!reply.error) {
      found(reply);
    }
    root.dataset.drawn = JSON.stringify(now);
  };

  const found = ({ answer, figures: numbers, pictures }) => {
    const rows = figures(answer, numbers);
    show("figures").replaceChildren(
      ...rows.map(([name, value]) => {
        const row = element("div", "", { "data-figure": name });
        row.append(element("dt", name), element("dd", value));
        return row;
      }),
    );
    show("warnings").replaceChildren(...answer.layout.warnings.map((line) => element("li", line)));
    show("pictures").replaceChildren(picture(pictures.address_space), picture(pictures.ram));
    // Said when the slider rests, not at each step of it.
    clearTimeout(found.timer);
    found.timer = setTimeout(() => {
      const warnings = answer.layout.warnings.map((line) => ` Warning: ${line}.`).join("");
      show("status").textContent = `${rows.slice(0, 4).map((row) => row.join(" ")).join(", ")}.${warnings}`;
    }, 500);
  };

  const changed = () => {
    history.replaceState(null, "", toLink(settings()));
    draw();
  };

  form.addEventListener("input", ({ target }) => {
    const { slider, text } = target.dataset;
    if (slider) {
      follow(form.elements[slider], target.value, 240);
    } else if (text) {
      form.elements[text].value = option(target.value * 2 ** 20);
      target.setAttribute("aria-valuetext", form.elements[text].value);
    }
    changed();
  });
  form.addEventListener("reset", (event) => {
    event.preventDefault();
    restore(START);
    changed();
  });
  form.addEventListener("submit", (event) => event.preventDefault());
  const fromAddress = () => {
    const wanted = fromLink(location.hash);
    if (wanted) {
      restore(wanted);
      draw();
      document.getElementById("explorer").scrollIntoView();
    }
    return Boolean(wanted);
  };
  window.addEventListener("hashchange", fromAddress);
  root.hidden = false;
  if (!fromAddress()) {
    restore(START);
    draw();
  }
}

// The banks as the module takes them, or which of them is no bank.
function readBanks(texts) {
  const banks = [];
  for (const [bank, text] of texts.entries()) {
    const [start, length] = text.split("+", 2).map(bytes);
    const end = start + length;
    if (!Number.isSafeInteger(end)) {
      const wrong = text.split("+", 2)[Number.isNaN(start) ? 0 : 1];
      const example = Number.isNaN(start) ? "0x40000000" : "512M or 1G";
      const what = Number.isNaN(start) ? "an address" : "a size";
      return { fault: { bank, text: `'${wrong}' in bank ${bank + 1} is not ${what}, such as ${example}` } };
    }
    banks.push({ start: address(start), end: address(end) });
  }
  return { machine: { banks } };
}

// The settings as the kernel gets them; the command line is made by the host tool's own rule.
async function configure({ split, append, vmalloc, dma_zone, highmem }) {
  const settings = { split, append, vmalloc: vmalloc || null, dma_zone: dma_zone || null, no_highmem: !highmem };
  return ask({ configure: settings });
}

// The command lines that ask the same. QEMU's board has one bank, of whole KiB.
function commands({ banks }, { split, command_line }) {
  const sizes = banks.map(({ start, end }) => Number(end) - Number(start));
  const machine = banks.map(({ start }, index) => `--bank ${start}+${option(sizes[index])}`).join(" ");
  const shell = `'${command_line.replaceAll("'", "'\\''")}'`;
  const kernel = (split === "3g" ? "" : ` --vmsplit ${split}`) + (command_line ? ` --append ${shell}` : "");
  const lines = [`cargo xtask explain ${machine}${kernel}`];
  if (banks.length === 1 && Number(banks[0].start) === 0x40000000 && sizes[0] > 0 && sizes[0] % 1024 === 0) {
    lines.push(`cargo xtask run -m ${option(sizes[0])}${kernel}`);
  }
  return lines;
}

// What is read first.
function figures({ layout }, { lowmem, highmem, lost, vmalloc }) {
  return [
    ["lowmem", size(lowmem)],
    ["HighMem", size(highmem)],
    ["lost", size(lost)],
    ["vmalloc", size(vmalloc)],
    ["PAGE_OFFSET", layout.page_offset],
    ["PHYS_OFFSET", layout.phys_offset],
    ["high_memory", layout.high_memory],
    ["vmalloc from", layout.vmalloc_start],
    ["vmalloc to", layout.vmalloc_end],
  ];
}

explorer(document.getElementById("explore"));
