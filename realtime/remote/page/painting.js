// The live painting: by WebRTC, or else as a stream of JPEGs. Either is read only while the page is seen.

import { make } from "./dom.js";
import { Painting } from "./webrtc.js";

const PAUSE_MS = 1500;

/** Shows the painting in a figure, as long as the page is visible. Returns what is called when the show is back. */
export function showPainting(figure) {
  const image = make("img", { alt: "The live painting", "data-painting": "mjpeg" });
  const video = make("video", { "data-painting": "webrtc", "aria-label": "The live painting", muted: true, hidden: true });
  video.muted = video.playsInline = true;
  figure.replaceChildren(image, video);
  let byVideo = false;
  const read = () => {
    video.hidden = !byVideo;
    image.hidden = byVideo;
    if (byVideo || document.hidden) image.removeAttribute("src");
    else image.src = `/api/stream.mjpg?at=${Date.now()}`;
  };
  image.addEventListener("error", () => setTimeout(() => byVideo || read(), PAUSE_MS));
  document.addEventListener("visibilitychange", read);
  const painting = new Painting(video, (shown, reason) => {
    byVideo = shown;
    figure.dataset.reason = reason;
    read();
  });
  // a stream that begins sooner keeps the page loading for ever
  if (document.readyState === "complete") read();
  else addEventListener("load", read);
  return () => {
    read();
    painting.open();
  };
}
