// The page of controls.

import { buildCamera } from "./camera.js";
import { buildControls } from "./controls.js";
import { find, make } from "./dom.js";
import { showPainting } from "./painting.js";
import { buildShare } from "./share.js";
import { Show } from "./show.js";
import { buildStyles } from "./styles.js";

const SHOWN_MS = 4000;

const show = new Show();
const readAgain = showPainting(find("painting"));
const camera = buildCamera(show);
const styles = buildStyles(show, announce);
let displayControls = () => {};
let displayShare = () => {};
let lastNotice = "";
let isOpen = true;

show.addEventListener("found", async () => {
  find("lost").hidden = true;
  styles.forget();
  displayControls = await buildControls(show);
  displayShare = buildShare(show);
  find("panels").prepend(camera.element);
  readAgain();
  if (show.state) display(show.state);
});
show.addEventListener("lost", () => {
  find("lost").hidden = false;
});
show.addEventListener("state", ({ detail }) => display(detail));
show.addEventListener("failure", ({ detail }) => announce(detail, true));

function display(state) {
  // there are no small paintings of the styles before there is something to paint
  if (!isOpen && state.show.size) styles.forget();
  // on a phone the panel of the camera, which the show waits for, is far down
  if (isOpen && !state.show.size) camera.element.scrollIntoView({ block: "center" });
  isOpen = state.show.size !== null;
  displayControls(state);
  displayShare(state);
  camera.display(state);
  styles.display(state);
  displayChips(state);
  if (state.show.notice !== lastNotice) {
    lastNotice = state.show.notice;
    if (lastNotice) announce(lastNotice);
  }
}

function displayChips({ show: readings, frozen, muted }) {
  find("caption").textContent = isOpen ? readings.caption : "Waiting for a camera: press “Use this camera”";
  const chips = [[`${readings.fps.toFixed(0)} fps`], [`${readings.latency_ms} ms`]];
  if (readings.recorded_s !== null) chips.unshift([`REC ${clock(readings.recorded_s)}`, "red"]);
  for (const line of readings.standing) chips.unshift([line, line.startsWith("on air") ? "red" : "gold"]);
  if (frozen) chips.push(["frozen", "gold"]);
  if (muted) chips.push(["sound off", "gold"]);
  find("chips").replaceChildren(...chips.map(([text, kind = "plain-chip"]) => make("li", { class: kind }, text)));
}

const clock = (seconds) => `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;

/** Shows a message for a while, which screen readers read out. */
function announce(text, isError = false) {
  const line = make("p", { class: isError ? "error" : "notice" }, text);
  const notices = find("notices");
  notices.append(line);
  while (notices.children.length > 3) notices.firstChild.remove();
  setTimeout(() => line.remove(), SHOWN_MS);
}
