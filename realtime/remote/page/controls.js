// The controls: a row for each one in the table of the show, whatever it has.

import { find, hold, isHeld, make, percent } from "./dom.js";

// The groups in which controls are shown; what the table has besides comes last. Those of the stage are elsewhere.
const GROUPS = [
  ["Look", ["strength", "colors", "brush", "steady", "steadiness", "mirror"]],
  ["Playlist", ["automatic", "fade"]],
  ["On air", ["on_air", "muted", "react"]],
  ["Window", ["view", "split", "hud", "fullscreen", "help", "link"]],
];
const ELSEWHERE = new Set(["style", "mix", "playlist", "mixing", "original", "frozen", "recording"]);
const LABELS = {
  colors: "Colours of",
  automatic: "Styles change by themselves",
  fade: "Crossfade",
  hud: "HUD",
  help: "Keys",
  link: "QR code",
  react: "React to sound",
  learn: "Learn a MIDI knob for",
  muted: "Mute",
  on_air: "Stream",
  make_style: "Style from the camera",
  take_back_style: "Take it back",
  reset_brush: "Brush of the start",
  reload: "Load styles again",
};
// Buttons below the painting: commands, and switches that are pressed in.
const STAGE_ACTIONS = ["snapshot", "recording", "replay", "original", "frozen", "previous_style", "next_style"];
const STAGE_LABELS = {
  snapshot: "Snapshot",
  recording: "Record",
  replay: "Replay",
  original: "Original",
  frozen: "Freeze",
  previous_style: "‹ Previous",
  next_style: "Next ›",
};
const MORE_ACTIONS = ["make_style", "take_back_style", "reset_brush", "reload"];

const labelOf = (name) => {
  const words = LABELS[name] ?? name.replaceAll("_", " ");
  return words[0].toUpperCase() + words.slice(1);
};

/** Builds the panels; returns what shows a state in them. */
export async function buildControls(show) {
  const table = await show.ask("GET", "/api/controls");
  if (!table) return () => {};
  const byName = new Map(table.controls.map((control) => [control.name, control]));
  const commands = new Map(table.commands.map((command) => [command.name, command]));
  const rows = [];
  const panels = find("panels");
  panels.replaceChildren();
  for (const [title, names] of groupsOf(byName)) {
    const panel = make("section", { class: "panel" }, make("div", { class: "heading" }, make("h2", {}, title)));
    for (const name of names) {
      const row = rowOf(show, byName.get(name));
      panel.append(row.element);
      rows.push(row);
    }
    panels.append(panel);
  }
  panels.append(moreOf(show, commands));
  const buttons = buildStageActions(show, byName, commands);
  return (state) => {
    for (const row of rows) row.display(state[row.name]);
    for (const [name, button] of buttons) button.setAttribute("aria-pressed", String(Boolean(state[name])));
  };
}

function groupsOf(byName) {
  const grouped = new Set(GROUPS.flatMap(([, names]) => names));
  const others = [...byName.keys()].filter((name) => !grouped.has(name) && !ELSEWHERE.has(name));
  const groups = [...GROUPS, ["More", others]];
  return groups.map(([title, names]) => [title, names.filter((name) => byName.has(name))]).filter(([, n]) => n.length);
}

function rowOf(show, control) {
  const { schema } = control;
  const build = schema.enum ? choiceRow : schema.type === "boolean" ? switchRow : sliderRow;
  const row = build(show, control);
  row.element.title = schema.description + (control.keys.length ? ` (key ${control.keys.join(", ")})` : "");
  return { ...row, name: control.name };
}

function switchRow(show, { name, schema }) {
  const id = `control-${name}`;
  const button = make("button", {
    class: "switch",
    type: "button",
    role: "switch",
    id,
    "data-control": name,
    "aria-checked": "false",
    "aria-description": schema.description,
  });
  button.addEventListener("click", () => show.set(name, button.getAttribute("aria-checked") !== "true"));
  const element = make("div", { class: "row" }, make("label", { for: id }, labelOf(name)), button);
  return { element, display: (value) => button.setAttribute("aria-checked", String(value)) };
}

function sliderRow(show, { name, schema }) {
  const id = `control-${name}`;
  const { minimum = 0, maximum = 1 } = schema;
  const range = make("input", { type: "range", id, "data-control": name, min: minimum, max: maximum, step: "any" });
  range.step = schema["x-step"] ?? 0.01;
  const output = make("output", { for: id });
  const textOf = (value) => (maximum > 1 ? `${Number(value).toFixed(1)} s` : percent(value));
  const say = (value) => {
    output.value = textOf(value);
    range.setAttribute("aria-valuetext", textOf(value));
  };
  range.addEventListener("input", () => {
    hold(range);
    say(range.value);
    show.set(name, Number(range.value));
  });
  const element = make("div", { class: "row" }, make("label", { for: id }, labelOf(name)), output, range);
  const display = (value) => {
    if (isHeld(range)) return;
    range.value = value;
    say(value);
  };
  return { element, display };
}

function choiceRow(show, { name, schema }) {
  const segments = make("div", { class: "segments", role: "radiogroup", "aria-label": labelOf(name) });
  const inputs = new Map();
  for (const word of schema.enum) {
    const input = make("input", { type: "radio", name: `control-${name}`, value: word, "data-control": name });
    input.addEventListener("change", () => show.set(name, word));
    segments.append(make("label", {}, input, word[0].toUpperCase() + word.slice(1)));
    inputs.set(word, input);
  }
  const element = make("div", { class: "row" }, make("span", {}, labelOf(name)), segments);
  const display = (value) => {
    const input = inputs.get(value);
    if (input) input.checked = true;
  };
  return { element, display };
}

function buildStageActions(show, byName, commands) {
  const bar = find("actions");
  bar.replaceChildren();
  const switches = [];
  for (const name of STAGE_ACTIONS) {
    const isSwitch = byName.has(name);
    if (!isSwitch && !commands.has(name)) continue;
    const button = make("button", { type: "button", "data-action": name }, STAGE_LABELS[name]);
    button.title = isSwitch ? byName.get(name).schema.description : commands.get(name).help;
    if (name === "recording") {
      button.className = "record";
      button.prepend(make("span", { class: "dot", "aria-hidden": "true" }));
    }
    if (isSwitch) {
      button.setAttribute("aria-pressed", "false");
      button.addEventListener("click", () => show.set(name, button.getAttribute("aria-pressed") !== "true"));
      switches.push([name, button]);
    } else {
      button.addEventListener("click", () => show.do(name));
    }
    bar.append(button);
  }
  return switches;
}

function moreOf(show, commands) {
  const buttons = make("div", { class: "actions" });
  for (const name of MORE_ACTIONS.filter((each) => commands.has(each))) {
    const button = make("button", { type: "button", "data-action": name }, labelOf(name));
    button.title = commands.get(name).help;
    button.addEventListener("click", () => show.do(name));
    buttons.append(button);
  }
  const end = make("button", { type: "button", "data-action": "quit" }, "End the show");
  end.addEventListener("click", () => {
    if (confirm("End the show?")) show.do("quit");
  });
  buttons.append(end);
  return make("details", { class: "panel" }, make("summary", {}, "More"), buttons);
}
