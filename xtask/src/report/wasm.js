// The WebAssembly module in the page: JSON text in, JSON text out. `ask` is the only way to it; who owns which bytes is
// said in the crate `explorer`. A reply has the length of its text in its first four bytes.

let instance;

async function exported() {
  const text = document.getElementById("module").textContent;
  const bytes = Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
  return (await WebAssembly.instantiate(bytes)).instance.exports;
}

// The reply to `request`. That there is none is a reply, too.
async function ask(request) {
  try {
    instance ??= exported();
    const module = await instance;
    const bytes = new TextEncoder().encode(JSON.stringify(request));
    const question = module.allocate(bytes.length);
    if (question === 0) {
      return { error: "there is no memory for the question" };
    }
    // A call may grow the memory, which replaces its buffer: so it is asked for each time.
    new Uint8Array(module.memory.buffer, question, bytes.length).set(bytes);
    const answer = module.ask(question, bytes.length);
    module.release(question, bytes.length);
    const length = new DataView(module.memory.buffer).getUint32(answer, true);
    const text = new TextDecoder().decode(new Uint8Array(module.memory.buffer, answer + 4, length));
    module.release(answer, 4 + length);
    return JSON.parse(text);
  } catch (error) {
    // A module that has failed may be in any state: the next question has a new one.
    instance = undefined;
    return { error: `the explorer's module failed: ${error.message}` };
  }
}

// A picture that the module has drawn, as an element.
function picture(text) {
  const parsed = new DOMParser().parseFromString(text, "image/svg+xml");
  return document.importNode(parsed.documentElement, true);
}

// An element with text in it.
function element(name, text, attributes = {}) {
  const made = document.createElement(name);
  made.textContent = text;
  for (const [key, value] of Object.entries(attributes)) {
    made.setAttribute(key, value);
  }
  return made;
}

// What scripts serve is shown, and what says that they are needed is not.
for (const note of document.querySelectorAll(".needs-scripts")) {
  note.hidden = true;
}
