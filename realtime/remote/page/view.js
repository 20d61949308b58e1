// The bare painting, e.g. for a browser source of OBS: it comes back after the show was started again.

const painting = document.getElementById("painting");
const PAUSE_MS = 2000;

painting.addEventListener("error", () => {
  setTimeout(() => {
    painting.src = `/api/stream.mjpg?again=${Date.now()}`;
  }, PAUSE_MS);
});
