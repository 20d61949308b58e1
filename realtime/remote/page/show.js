// The connection to the show: its state as it is pushed, and what is asked of it.

const FIRST_PAUSE_MS = 500;
const LAST_PAUSE_MS = 5000;
const FRAME_MS = 16;

export class Show extends EventTarget {
  constructor() {
    super();
    this.state = null;
    this.pause = FIRST_PAUSE_MS;
    this.waiting = {};
    this.connect();
  }

  connect() {
    const scheme = location.protocol === "https:" ? "wss" : "ws";
    this.socket = new WebSocket(`${scheme}://${location.host}/api/events`);
    this.socket.addEventListener("message", (event) => this.receive(JSON.parse(event.data)));
    this.socket.addEventListener("close", () => {
      this.dispatchEvent(new CustomEvent("lost"));
      setTimeout(() => this.connect(), this.pause);
      this.pause = Math.min(LAST_PAUSE_MS, 2 * this.pause);
    });
  }

  receive(message) {
    if (message.state) {
      const isNew = this.state === null || this.pause !== FIRST_PAUSE_MS;
      this.pause = FIRST_PAUSE_MS;
      this.state = message.state;
      if (isNew) this.dispatchEvent(new CustomEvent("found"));
      this.dispatchEvent(new CustomEvent("state", { detail: message.state }));
    } else if (message.error) {
      this.fail(message.error);
    }
  }

  fail(text) {
    this.dispatchEvent(new CustomEvent("failure", { detail: text }));
  }

  send(message) {
    if (this.socket.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify(message));
  }

  /** Sets a control; of values that come faster than frames, the newest is sent. */
  set(name, value) {
    if (Object.keys(this.waiting).length === 0) setTimeout(() => this.flush(), FRAME_MS);
    const isPart = typeof value === "object" && this.waiting[name];
    this.waiting[name] = isPart ? { ...this.waiting[name], ...value } : value;
  }

  flush() {
    const set = this.waiting;
    this.waiting = {};
    this.send({ set });
  }

  do(action) {
    this.send({ do: action });
  }

  /** Asks over HTTP; returns the answer, or null after a failure, which is shown. */
  async ask(method, path, body, type) {
    try {
      const headers = type ? { "Content-Type": type } : {};
      const response = await fetch(path, { method, headers, body });
      const answer = await response.json();
      if (response.ok) return answer;
      this.fail(answer.error);
    } catch {
      this.fail("The show does not answer.");
    }
    return null;
  }

  patch(values) {
    return this.ask("PATCH", "/api/state", JSON.stringify(values), "application/json");
  }

  addStyle(file) {
    const path = `/api/styles?name=${encodeURIComponent(file.name)}`;
    return this.ask("POST", path, file, file.type || "application/octet-stream");
  }
}
