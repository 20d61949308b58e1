// The styles: cards with small paintings that show what they do, sliders to mix them, and pictures that become styles.

import { find, hold, isHeld, make, percent } from "./dom.js";

/** Builds the cards; returns what shows a state in them. */
export function buildStyles(show, announce) {
  const list = find("style-list");
  const section = find("styles");
  const toggle = find("mix-toggle");
  let shownNames = "";
  let cards = new Map();

  toggle.addEventListener("click", () => openPart(section, toggle, "mixing"));
  const listToggle = find("playlist-toggle");
  listToggle.addEventListener("click", () => openPart(section, listToggle, "listing"));

  async function rebuild() {
    const answer = await show.ask("GET", "/api/styles");
    if (!answer) return;
    cards = new Map(answer.styles.map((style) => [style.name, cardOf(show, style)]));
    list.replaceChildren(...[...cards.values()].map((card) => card.element));
    if (show.state) display(show.state);
  }

  function display(state) {
    const names = state.show.styles.join("\n");
    if (names !== shownNames) {
      shownNames = names;
      rebuild();
      return;
    }
    const total = Object.values(state.mix).reduce((sum, weight) => sum + weight, 0);
    if (Object.keys(state.mix).length > 1 && !section.classList.contains("mixing")) toggle.click();
    for (const [name, card] of cards) {
      card.display(state.mix[name] ?? 0, total, state.original);
      card.displaySeconds(state.playlist[name] ?? 0);
    }
  }

  acceptPictures(show, announce);
  return { display, forget: () => (shownNames = "") };
}

function openPart(section, toggle, name) {
  const opened = section.classList.toggle(name);
  toggle.setAttribute("aria-pressed", String(opened));
}

function cardOf(show, style) {
  const image = make("img", { src: style.thumbnail, alt: "", loading: "lazy", width: "192", height: "144" });
  // of a style that cannot be painted small, the card stays as it is
  image.addEventListener("error", () => image.removeAttribute("src"));
  const button = make(
    "button",
    { type: "button", "data-style": style.name, "aria-pressed": "false" },
    image,
    make("span", { class: "name" }, style.title || style.name),
    make("span", { class: "artist" }, style.artist || style.name),
  );
  button.addEventListener("click", () => show.set("style", style.name));
  const range = make("input", {
    type: "range",
    min: "0",
    max: "1",
    step: "0.01",
    "data-weight": style.name,
    "aria-label": `How much of ${style.title || style.name}`,
  });
  const output = make("output");
  range.addEventListener("input", () => {
    hold(range);
    show.set("mix", { [style.name]: Number(range.value) });
  });
  const seconds = make("input", {
    type: "number",
    min: "0",
    max: "600",
    step: "1",
    inputmode: "numeric",
    "data-seconds": style.name,
    "aria-label": `Seconds of ${style.title || style.name} in the playlist`,
  });
  seconds.addEventListener("input", () => hold(seconds));
  seconds.addEventListener("change", () => show.set("playlist", { [style.name]: Number(seconds.value) }));
  const weightRow = make("div", { class: "weight" }, range, output);
  const element = make("li", { class: "card" }, button, weightRow, make("label", { class: "seconds" }, seconds, "s"));
  const display = (weight, total, original) => {
    const isOn = weight > 0 && !original;
    element.classList.toggle("on", isOn);
    button.setAttribute("aria-pressed", String(isOn));
    output.value = percent(total ? weight / total : 0);
    if (!isHeld(range)) range.value = weight;
  };
  const displaySeconds = (value) => {
    if (document.activeElement !== seconds) seconds.value = value;
  };
  return { element, display, displaySeconds };
}

function acceptPictures(show, announce) {
  const files = find("files");
  const drop = find("drop");
  find("add-style").addEventListener("click", () => files.click());
  files.addEventListener("change", async () => {
    await addAll(show, announce, files.files);
    files.value = "";
  });
  let depth = 0;
  const isDrag = (event) => event.dataTransfer?.types.includes("Files");
  addEventListener("dragenter", (event) => {
    if (!isDrag(event)) return;
    depth += 1;
    drop.hidden = false;
  });
  addEventListener("dragover", (event) => {
    if (isDrag(event)) event.preventDefault();
  });
  addEventListener("dragleave", () => {
    depth = Math.max(0, depth - 1);
    drop.hidden = depth === 0;
  });
  addEventListener("drop", (event) => {
    event.preventDefault();
    depth = 0;
    drop.hidden = true;
    addAll(show, announce, event.dataTransfer.files);
  });
}

async function addAll(show, announce, files) {
  for (const file of [...files]) {
    announce(`Sending ${file.name} …`);
    const answer = await show.addStyle(file);
    if (answer) announce(`${answer.name} is a style now.`);
  }
}
