// The panel in which this device's camera becomes what is painted.

import { make } from "./dom.js";
import { Camera, cameraProblem } from "./webrtc.js";

const FACINGS = [
  ["user", "Front"],
  ["environment", "Back"],
];
const SHOWN = { asking: true, connecting: true, on: true, waiting: true };

/** Returns the panel, and what shows a state in it. It outlives the show: what it sends comes back with it. */
export function buildCamera(show) {
  const button = make("button", { class: "plain", type: "button", id: "use-camera" }, "Use this camera");
  const status = make("p", { class: "hint", id: "camera-status", role: "status" });
  const preview = make("video", { class: "preview", "aria-label": "What this camera sees", hidden: true });
  preview.muted = preview.playsInline = true;
  const facing = make("div", { class: "segments", role: "radiogroup", "aria-label": "Which camera" });
  for (const [value, label] of FACINGS) {
    const input = make("input", { type: "radio", name: "facing", value, checked: value === "user" });
    input.addEventListener("change", () => camera.stream && camera.start(value));
    facing.append(make("label", {}, input, label));
  }
  const camera = new Camera((state, text) => {
    button.textContent = SHOWN[state] ? "Stop this camera" : "Use this camera";
    button.setAttribute("aria-pressed", String(state === "on"));
    button.dataset.state = state;
    status.textContent = text || "What this device's camera sees is sent to the show.";
    // the show may paint something else
    if (state === "on" && show.state?.source && show.state.source !== "the browser's camera")
      show.patch({ source: "browser" });
    preview.hidden = !camera.stream;
    if (preview.srcObject !== camera.stream) {
      preview.srcObject = camera.stream;
      if (camera.stream) preview.play();
    }
  });
  camera.tell("off", cameraProblem());
  button.disabled = cameraProblem() !== "";
  button.addEventListener("click", () => {
    if (SHOWN[button.dataset.state]) camera.stop();
    else camera.start(facing.querySelector(":checked").value);
  });
  const element = make(
    "section",
    { class: "panel", id: "camera" },
    make("div", { class: "heading" }, make("h2", {}, "This device's camera"), button),
    preview,
    facing,
    status,
  );
  // no rate is known before something was painted
  const display = ({ show: { fps } }) => fps && camera.limitTo(fps);
  return { element, display };
}
