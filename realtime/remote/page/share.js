// What is painted, who else may look, and what was saved.

import { find, make } from "./dom.js";

/** Builds the panels of the source, the link and the files; returns what shows a state in them. */
export function buildShare(show) {
  const source = buildSource(show);
  const saved = make("ul", { class: "saved" });
  const qr = make("img", { src: "/api/link.svg", alt: "QR code of this page", width: "120", height: "120" });
  const view = make("a", { href: "/view", target: "_blank" }, "the bare painting");
  const text = make("p", {}, "Scan it with a phone in the same network, or open ", view, " for OBS.");
  // a page that only this machine reaches has no code
  qr.addEventListener("error", () => {
    qr.remove();
    text.replaceChildren("For a phone, start the show with --control 0.0.0.0. For OBS, there is ", view, ".");
  });
  const panel = make(
    "section",
    { class: "panel" },
    make("div", { class: "heading" }, make("h2", {}, "Share")),
    make("div", { class: "links" }, qr, text),
    saved,
  );
  find("panels").prepend(source.element);
  find("panels").append(panel);
  let shown = "";
  return (state) => {
    source.display(state);
    const names = state.show.saved.join("\n");
    if (names === shown) return;
    shown = names;
    const links = [...state.show.saved].reverse().map((name) => {
      const link = make("a", { href: `/api/captures/${encodeURIComponent(name)}`, download: name }, name);
      return make("li", {}, link);
    });
    saved.replaceChildren(...links);
  };
}

function buildSource(show) {
  const input = make("input", {
    id: "source",
    type: "text",
    spellcheck: "false",
    autocapitalize: "off",
    autocomplete: "off",
    placeholder: "0, film.mp4, rtsp://…, test",
    list: "sources",
  });
  const sources = make("datalist", { id: "sources" });
  input.addEventListener("focus", async () => {
    const answer = await show.ask("GET", "/api/sources");
    if (answer) sources.replaceChildren(...answer.sources.map((each) => make("option", { value: each.value }, each.name)));
  });
  const button = make("button", { class: "plain", type: "submit" }, "Change");
  const form = make(
    "form",
    {},
    make("label", { for: "source", class: "hint" }, "A camera, a file or an address; a recording goes on."),
    make("div", { class: "field" }, input, button),
    sources,
  );
  const name = make("p", { id: "source-name" });
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    button.disabled = true;
    const answer = await show.patch({ source: input.value.trim() });
    button.disabled = false;
    if (answer) input.value = "";
  });
  const element = make(
    "section",
    { class: "panel" },
    make("div", { class: "heading" }, make("h2", {}, "Source")),
    name,
    form,
  );
  const display = (state) => {
    element.hidden = !state.source;
    name.textContent = state.source;
  };
  return { element, display };
}
