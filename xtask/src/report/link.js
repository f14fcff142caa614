// The explorer's settings in the page's address, behind `#explore?`: a link reproduces them. Settings are a plain object:
// `banks` is a list of texts START+SIZE; the others are texts, and `highmem` is true or false.

const LINK = "#explore?";
const TEXTS = ["split", "vmalloc", "dma_zone", "append"];

function toLink(settings) {
  const words = new URLSearchParams();
  for (const bank of settings.banks) {
    words.append("bank", bank);
  }
  for (const name of TEXTS) {
    if (settings[name]) {
      words.set(name, settings[name]);
    }
  }
  if (!settings.highmem) {
    words.set("highmem", "off");
  }
  return LINK + words;
}

// The settings of an address, or nothing where it is not about them.
function fromLink(hash) {
  if (!hash.startsWith(LINK)) {
    return undefined;
  }
  const words = new URLSearchParams(hash.slice(LINK.length));
  const settings = { banks: words.getAll("bank"), highmem: words.get("highmem") !== "off" };
  for (const name of TEXTS) {
    settings[name] = words.get(name) ?? "";
  }
  return settings;
}
