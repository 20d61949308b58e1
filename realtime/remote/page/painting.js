// The live painting: a stream of JPEGs, read only while the page is seen.

import { make } from "./dom.js";

const PAUSE_MS = 1500;

/** Shows the painting in a figure, as long as the page is visible. */
export function showPainting(figure) {
  const image = make("img", { alt: "The live painting", "data-painting": "mjpeg" });
  figure.replaceChildren(image);
  const read = () => {
    image.src = document.hidden ? "" : `/api/stream.mjpg?at=${Date.now()}`;
    if (document.hidden) image.removeAttribute("src");
  };
  image.addEventListener("error", () => setTimeout(read, PAUSE_MS));
  document.addEventListener("visibilitychange", read);
  read();
  return read;
}
