// The painting by WebRTC, and this device's camera to the show. Both ask by one POST: an offer for an answer.

// A connection that does not come about by then never will: a firewall, or a machine without any network.
const CONNECT_MS = 12000;
const FIRST_RETRY_MS = 3000;
const LAST_RETRY_MS = 24000;
const HIDDEN_MS = 15000;
const DISCONNECTED_MS = 2000;
const CAMERA_RETRY_MS = 2000;
const [LEAST_FPS, MOST_FPS] = [8, 30];

async function answerTo(path, connection, more = {}) {
  await connection.setLocalDescription();
  await gathered(connection);
  const response = await fetch(path, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ sdp: connection.localDescription.sdp, ...more }),
  });
  const answer = await response.json();
  if (!response.ok) throw Object.assign(new Error(answer.error), { status: response.status });
  await connection.setRemoteDescription({ type: "answer", sdp: answer.sdp });
}

// Resolves when the browser knows its own addresses, or after a moment: the show finds it by what it sends, too.
function gathered(connection) {
  return new Promise((resolve) => {
    const look = () => connection.iceGatheringState === "complete" && resolve();
    connection.addEventListener("icegatheringstatechange", look);
    setTimeout(resolve, 1000);
    look();
  });
}

// Resolves when a connection is there. Rejects if it does not come about.
function connected(connection) {
  return new Promise((resolve, reject) => {
    const look = () => {
      if (connection.connectionState === "connected") resolve();
      if (["failed", "closed"].includes(connection.connectionState)) reject(new Error("no way through the network"));
    };
    connection.addEventListener("connectionstatechange", look);
    setTimeout(() => reject(new Error("no way through the network")), CONNECT_MS);
    look();
  });
}

// Calls back once when a connection is gone: at once if the other side says so, else when nothing has come for seconds.
function whenLost(connection, transport, lost) {
  let timer = 0;
  const look = () => {
    clearTimeout(timer);
    const states = [connection.connectionState, transport ? transport.state : "connected"];
    if (states.includes("closed") || states.includes("failed")) lost();
    else if (states.includes("disconnected")) timer = setTimeout(lost, DISCONNECTED_MS);
  };
  connection.addEventListener("connectionstatechange", look);
  if (transport) transport.addEventListener("statechange", look);
  look();
}

async function settings() {
  const response = await fetch("/api/webrtc");
  if (!response.ok) throw new Error("this show has no WebRTC");
  return response.json();
}

// Shows the painting in a <video>. `changed` is called with true when it is shown, and with false and the reason when
// it is not: then it is time for JPEGs. It is tried again now and then, and when a hidden page is shown again.
export class Painting {
  constructor(video, changed) {
    this.video = video;
    this.changed = changed;
    this.connection = null;
    this.ended = false;
    this.timer = 0;
    this.pause = FIRST_RETRY_MS;
    document.addEventListener("visibilitychange", () => this.followVisibility());
    addEventListener("pagehide", () => this.close());
    this.open();
  }

  async open() {
    clearTimeout(this.timer);
    if (this.connection || this.ended) return;
    let connection;
    try {
      if (!window.RTCPeerConnection) throw new Error("this browser has no WebRTC");
      const { iceServers } = await settings();
      connection = this.connection = new RTCPeerConnection({ iceServers });
      const { receiver } = connection.addTransceiver("video", { direction: "recvonly" });
      // no frame waits for others: a late one is shown late
      if ("jitterBufferTarget" in receiver) receiver.jitterBufferTarget = 0;
      else receiver.playoutDelayHint = 0;
      await answerTo("/api/webrtc/watch", connection);
      await connected(connection);
      this.video.srcObject = new MediaStream([receiver.track]);
      await this.video.play();
      this.pause = FIRST_RETRY_MS;
      this.changed(true, "");
      whenLost(connection, receiver.transport, () => this.connection === connection && this.giveUp("it is gone"));
    } catch (error) {
      if (connection === undefined || this.connection === connection) this.giveUp(error.message);
    }
  }

  giveUp(reason) {
    this.drop();
    this.changed(false, reason);
    if (this.ended) return;
    this.timer = setTimeout(() => this.open(), this.pause);
    this.pause = Math.min(LAST_RETRY_MS, 2 * this.pause);
  }

  drop() {
    if (this.connection) this.connection.close();
    this.connection = null;
    this.video.srcObject = null;
  }

  // A page that nobody sees leaves its place to another one.
  followVisibility() {
    clearTimeout(this.timer);
    if (document.hidden) this.timer = setTimeout(() => document.hidden && this.drop(), HIDDEN_MS);
    else this.open();
  }

  close() {
    this.ended = true;
    clearTimeout(this.timer);
    this.drop();
  }
}

// Why this page cannot use a camera, "" if it can.
export function cameraProblem() {
  if (navigator.mediaDevices && navigator.mediaDevices.getUserMedia) return "";
  if (!window.isSecureContext)
    return "Browsers let a page use the camera only over HTTPS: start nst-live with --control-tls";
  return "This browser gives pages no camera";
}

// Sends this device's camera to the show. `changed` is called with a state, one of "off", "asking", "connecting", "on",
// "waiting", and with a text about it for people.
export class Camera {
  constructor(changed) {
    this.changed = changed;
    this.stream = null;
    this.connection = null;
    this.sender = null;
    this.fps = MOST_FPS;
    this.timer = 0;
    this.lock = null;
    // counts what was begun, so that what comes of a start that was given up is known
    this.attempt = 0;
    addEventListener("pagehide", () => this.stop());
    document.addEventListener("visibilitychange", () => this.stream && !document.hidden && this.stayAwake());
  }

  // `facing`: "user" for the camera at the screen, "environment" for the one at the back.
  async start(facing = "user") {
    this.stop();
    const problem = cameraProblem();
    if (problem) return this.tell("off", problem);
    this.tell("asking", "Asking for the camera …");
    const { attempt } = this;
    try {
      const { size } = await settings();
      const [width, height] = size;
      const stream = await navigator.mediaDevices.getUserMedia({
        audio: false,
        video: { width: { ideal: width }, height: { ideal: height }, frameRate: { ideal: 30 }, facingMode: facing },
      });
      if (attempt !== this.attempt) {
        for (const track of stream.getTracks()) track.stop();
        return;
      }
      this.stream = stream;
    } catch (error) {
      if (attempt !== this.attempt) return;
      const denied = error.name === "NotAllowedError";
      return this.tell("off", denied ? "This page may not use the camera; allow it in the browser" : error.message);
    }
    this.stream.getVideoTracks()[0].addEventListener("ended", () => this.stop("The camera is gone"));
    this.stayAwake();
    await this.connect(false);
  }

  async connect(again) {
    clearTimeout(this.timer);
    const stream = this.stream;
    if (!stream) return;
    this.tell(again ? "waiting" : "connecting", again ? "Connecting again …" : "Connecting …");
    let connection;
    try {
      const { iceServers } = await settings();
      if (this.stream !== stream) return;
      const [track] = stream.getVideoTracks();
      connection = this.connection = new RTCPeerConnection({ iceServers });
      const { sender } = connection.addTransceiver(track, {
        direction: "sendonly",
        streams: [stream],
        sendEncodings: [{ maxBitrate: 4_000_000 }],
      });
      const { width, height, frameRate } = track.getSettings();
      await answerTo("/api/webrtc/camera", connection, { width, height, frameRate, again });
      await connected(connection);
      [this.sender, this.fps] = [sender, MOST_FPS];
      this.tell("on", "This camera is painted");
      whenLost(connection, sender.transport, () => this.connection === connection && this.retry());
    } catch (error) {
      if (connection !== undefined && this.connection !== connection) return;
      if (error.status === 409) return this.stop(error.message);
      this.retry();
    }
  }

  retry() {
    if (this.connection) this.connection.close();
    this.connection = this.sender = null;
    if (!this.stream) return;
    this.tell("waiting", "The show does not answer; trying again …");
    this.timer = setTimeout(() => this.connect(true), CAMERA_RETRY_MS);
  }

  stop(text = "") {
    this.attempt += 1;
    clearTimeout(this.timer);
    if (this.connection) this.connection.close();
    if (this.stream) for (const track of this.stream.getTracks()) track.stop();
    if (this.lock) this.lock.release();
    this.connection = this.stream = this.lock = this.sender = null;
    this.tell("off", text);
  }

  // Sends no more frames than are worth it: decoding what is never painted would take the processor from the net.
  async limitTo(fps) {
    const wanted = Math.min(MOST_FPS, Math.max(LEAST_FPS, Math.ceil(2 * fps)));
    if (!this.sender || Math.abs(wanted - this.fps) < 0.2 * this.fps) return;
    this.fps = wanted;
    const parameters = this.sender.getParameters();
    for (const encoding of parameters.encodings) encoding.maxFramerate = wanted;
    await this.sender.setParameters(parameters).catch(() => {});
  }

  // A phone whose screen goes dark takes its camera away.
  async stayAwake() {
    try {
      this.lock = await navigator.wakeLock.request("screen");
    } catch {
      this.lock = null;
    }
  }

  tell(state, text) {
    this.changed(state, text);
  }
}
