// The live page: asks every second, draws what it is told, and sends what is clicked. No text of others becomes markup.
"use strict";

const $ = (id) => document.getElementById(id);
const EVERY = 1000;

// The token comes behind the # of the address, which no server sees, and leaves it at once.
const fragment = location.hash.slice(1);
if (fragment) {
  sessionStorage.setItem("token", fragment);
  history.replaceState(null, "", location.pathname);
}
const token = sessionStorage.getItem("token");

/** An element with attributes and children. */
function h(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  set(node, attributes);
  node.append(...children);
  return node;
}
/** The same of a drawing. */
function draw(tag, attributes = {}, ...children) {
  const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
  set(node, attributes);
  node.append(...children);
  return node;
}
function set(node, attributes) {
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (value !== false && value !== null) node.setAttribute(name, value === true ? "" : value);
  }
}

async function ask(path, options = {}) {
  const headers = { ...(token ? { Authorization: `Bearer ${token}` } : {}), ...options.headers };
  const response = await fetch(path, { ...options, headers, cache: "no-store" });
  if (!response.ok) {
    const said = await response.json().catch(() => ({}));
    throw new Error(said.error ?? `${path}: ${response.status}`);
  }
  return response;
}
const get = async (path) => (await ask(path)).json();
const send = (method, path, body) =>
  ask(path, { method, headers: { "Content-Type": "application/json" }, ...(body ? { body: JSON.stringify(body) } : {}) });

let trouble = null;
function say(text, seconds) {
  clearTimeout(trouble);
  $("trouble").textContent = text ?? "";
  $("trouble").hidden = !text;
  if (text && seconds) trouble = setTimeout(() => say(null), 1000 * seconds);
}
/** Does what was clicked, and shows what came of it. */
async function act(work) {
  try {
    await work();
    await refresh();
  } catch (e) {
    say(e.message, 12);
  }
}

// Pictures, by frame. Those that are no longer held are let go of.
const pictures = new Map();
async function show(image, id) {
  image.dataset.frame = id;
  if (!pictures.has(id)) {
    pictures.set(id, ask(`v1/frames/${id}`).then((r) => r.blob()).then((blob) => URL.createObjectURL(blob)));
  }
  try {
    const url = await pictures.get(id);
    if (image.dataset.frame === String(id)) image.src = url;
  } catch {
    pictures.delete(id);
  }
}
function drop(held) {
  for (const [id, url] of pictures) {
    if (held.has(id)) continue;
    pictures.delete(id);
    url.then((u) => URL.revokeObjectURL(u)).catch(() => {});
  }
}

let frames = [];
let status = null;
/** The frame that was chosen; none follows the newest. */
let chosen = null;
const current = () => frames.find((f) => f.id === chosen) ?? frames[0];

const percent = (share) => `${(100 * share).toFixed(share < 0.0995 ? 1 : 0)} %`;
const mib = (bytes) => (bytes >= 2 ** 20 ? `${(bytes / 2 ** 20).toFixed(1)} MiB` : `${(bytes / 1024).toFixed(0)} KiB`);
const clock = (at) => new Date(1000 * at).toLocaleTimeString([], { hour12: false });
const answered = (f) => (!f.answer ? "nothing known yet" : f.answer.unknown ? "unknown" : f.answer.name);

function drawNow() {
  const frame = current();
  $("follow").hidden = chosen === null;
  $("view").hidden = !frame;
  if (!frame) return;
  show($("view"), frame.id);
  const { answer } = frame;
  $("name").textContent = answered(frame);
  $("name").classList.toggle("unknown", !!answer?.unknown);
  $("detail").textContent = answer
    ? `${answer.unknown ? `nearest ${answer.name}, ` : ""}task ${answer.task}, familiarity ${answer.familiarity.toFixed(1)} \u03c3, ${answer.milliseconds.toFixed(0)} ms`
    : "label some frames and let it learn";
  $("best").replaceChildren(
    ...(answer?.best ?? []).flatMap((r) => [
      h("span", {}, r.name),
      h("span", { class: "bar" }, h("i", { "data-share": r.confidence })),
      h("span", { class: "share" }, percent(r.confidence)),
    ]),
  );
  widths($("best"));
}
/** Widths of bars are set from here: the page allows no style attributes. */
function widths(inside) {
  for (const bar of inside.querySelectorAll("[data-share]")) bar.style.width = `${100 * bar.dataset.share}%`;
}

function drawRecent() {
  const held = new Set(frames.map((f) => f.id));
  const strip = $("recent");
  const old = new Map([...strip.children].map((li) => [Number(li.dataset.id), li]));
  strip.replaceChildren(
    ...frames.map((f) => {
      const key = `${answered(f)} ${f.label} ${f.id === chosen}`;
      const before = old.get(f.id);
      if (before?.dataset.key === key) return before;
      const image = h("img", { alt: "" });
      show(image, f.id);
      const choose = () => { chosen = chosen === f.id ? null : f.id; drawNow(); drawRecent(); };
      return h("li", { "data-id": f.id, "data-key": key },
        h("button", { type: "button", "aria-pressed": String(f.id === chosen), title: `frame ${f.id}, ${clock(f.at)}`, onclick: choose },
          image,
          h("span", { class: f.answer?.unknown ? "what unknown" : "what" }, answered(f)),
          h("span", { class: "tag" }, f.label ? `\u2713 ${f.label}` : "\u00a0")));
    }),
  );
  if (!frames.length) strip.append(h("li", { class: "empty" }, "Send frames to /v1/frames; README shows how."));
  drop(held);
}

/** Children that change only when `key` does, so that nobody's click is lost. */
function redraw(node, key, children) {
  const text = JSON.stringify(key);
  if (node.dataset.key === text) return;
  node.dataset.key = text;
  node.replaceChildren(...children());
}

function drawStatus() {
  const s = status;
  redraw($("facts"), [s.classes.length, s.tasks.length, s.state_bytes, s.memory.resident, s.engine], () =>
    [["", s.strategy], ["engine", s.engine], ["classes", s.classes.length], ["tasks", s.tasks.length], ["state", mib(s.state_bytes)],
      ["memory", mib(s.memory.resident ?? 0)]].map(([name, value]) => h("li", {}, h("span", {}, name), String(value))));
  redraw($("known"), s.classes, () => s.classes.map((name) => h("option", { value: name })));
  const names = [...new Set([...s.classes, ...Object.keys(s.waiting.labels)])].slice(0, 24);
  redraw($("quick"), names, () =>
    names.map((name) => h("button", { type: "button", class: "small", onclick: () => label(name) }, name)));
  redraw($("waiting"), s.waiting, () => {
    const counts = Object.entries(s.waiting.labels);
    if (!counts.length) return [h("p", { class: "empty" }, "Nothing waits.")];
    return [h("ul", { class: "counts" }, ...counts.map(([name, n]) => h("li", {}, `${name} `, h("b", {}, String(n))))),
      h("p", { class: "empty" }, `${s.waiting.frames.length} of at most ${s.waiting.limit}`)];
  });
  const ready = s.stage.name === "ready";
  $("learn").disabled = !ready || !s.waiting.frames.length;
  $("undo").disabled = !ready || !s.waiting.frames.length;
  redraw($("stage"), s.stage, drawStage);
  widths($("stage"));
  redraw($("tasks"), [s.tasks, ready], drawTasks);
  redraw($("events"), s.events, () => s.events.length
    ? s.events.map((e) => h("li", { class: e.kind }, h("time", {}, clock(e.at)), h("span", {}, `${e.kind.replace("_", " ")}: ${e.text}`)))
    : [h("li", { class: "empty" }, "Nothing yet.")]);
  if (s.unsaved) say(`What was kept last is not saved: ${s.unsaved}`);
}

function drawStage() {
  const { stage } = status;
  if (stage.name === "learning") {
    const loss = stage.loss === null ? "" : `, loss ${stage.loss.toFixed(3)}`;
    return [h("p", {}, `Learning ${stage.task}: ${stage.shown} of ${stage.of} pictures${loss}`),
      h("div", { class: "bar" }, h("i", { "data-share": stage.of ? stage.shown / stage.of : 0 })),
      h("button", { type: "button", class: "small", onclick: () => act(() => send("POST", "v1/interrupt")) }, "Interrupt")];
  }
  if (stage.name === "undecided") {
    const { verdict } = stage;
    const held = verdict.held_out ? `${verdict.right} of ${verdict.held_out} held-out pictures are answered rightly. ` : "";
    const recall = verdict.recall
      ? `Old classes: ${percent(verdict.recall.before)} right before, ${percent(verdict.recall.after)} now. ` : "";
    return [h("p", {}, `${stage.task} is learned, and not kept yet. ${held}${recall}`),
      h("p", { class: stage.against ? "against" : "sound" }, stage.against ?? "Nothing speaks against it."),
      h("div", { class: "row" },
        h("button", { type: "button", id: "commit", class: "go", onclick: () => act(() => send("POST", "v1/commit")) }, "Keep"),
        h("button", { type: "button", id: "rollback", onclick: () => act(() => send("POST", "v1/rollback")) }, "Take back"))];
  }
  return [];
}

function drawTasks() {
  if (!status.tasks.length) return [h("li", { class: "empty" }, "Nothing yet.")];
  const ready = status.stage.name === "ready";
  const forget = (what, name) => () =>
    confirm(`Forget ${name}? This cannot be undone.`) && act(() => send("POST", "v1/forget", { [what]: name }));
  return status.tasks.map((task) => h("li", {},
    h("div", { class: "head" }, h("b", {}, task.name), h("span", { class: "pictures" }, `${task.pictures} pictures `,
      h("button", { type: "button", class: "small", disabled: !ready, onclick: forget("task", task.name) }, "Forget"))),
    h("div", { class: "classes" }, ...task.classes.map((name) => h("span", { class: "class" }, name,
      h("button", { type: "button", disabled: !ready, title: `Forget ${name}`, "aria-label": `Forget ${name}`, onclick: forget("class", name) }, "\u00d7"))))));
}

const PLOTS = [
  { title: "Familiarity of frames", unit: (y) => `${y.toFixed(1)} \u03c3`, of: (s) => s.familiarity },
  { title: "Unknown", unit: percent, of: (s) => (s.frames ? s.unknown / s.frames : null), low: 0, high: 1 },
  { title: "Slowest answer", unit: (y) => `${y.toFixed(0)} ms`, of: (s) => (s.frames ? s.slowest_ms : null), low: 0 },
  { title: "Memory of the process", unit: mib, of: (s) => s.resident, low: 0 },
];
function drawPlots(seconds) {
  const node = $("plots");
  node.replaceChildren(...PLOTS.map((plot) => {
    const ys = seconds.map(plot.of);
    const known = ys.filter((y) => y !== null && y !== undefined);
    const low = plot.low ?? Math.min(...known, 0);
    const high = plot.high ?? Math.max(...known, low + 1e-9) * 1.05;
    const [w, t, b] = [600, 6, 96];
    const x = (i) => (seconds.length < 2 ? 0 : (w * i) / (seconds.length - 1));
    const y = (v) => b - ((b - t) * (v - low)) / (high - low || 1);
    let pen = "M";
    const path = ys.map((v, i) => {
      if (v === null || v === undefined) { pen = "M"; return ""; }
      const step = `${pen}${x(i).toFixed(1)} ${y(v).toFixed(1)}`;
      pen = "L";
      return step;
    }).join("");
    const learning = seconds.flatMap((s, i) => (s.learning ? [draw("rect", { class: "learning", x: x(i), y: t, width: w / Math.max(seconds.length, 1), height: b - t })] : []));
    const newest = known.length ? plot.unit(known[known.length - 1]) : "";
    return h("figure", {}, h("figcaption", {}, plot.title, h("b", {}, newest)),
      draw("svg", { class: "plot", viewBox: "0 0 600 110", preserveAspectRatio: "none", role: "img", "aria-label": `${plot.title}: ${newest}` },
        ...learning, draw("path", { class: "grid", d: `M0 ${t}H${w}M0 ${b}H${w}` }), draw("path", { class: "line", d: path })),
      h("figcaption", {}, `${seconds.length} s; axis ${plot.unit(low)} to ${known.length ? plot.unit(high) : ""}`));
  }));
}

async function label(name) {
  const frame = current();
  if (!frame) return void say("There is no frame to label yet.", 6);
  await act(() => send("PUT", `v1/frames/${frame.id}/label`, { label: name }));
}

$("label-form").addEventListener("submit", (event) => {
  event.preventDefault();
  const name = $("label").value.trim();
  if (name) label(name).then(() => { $("label").value = ""; });
});
$("follow").addEventListener("click", () => { chosen = null; drawNow(); drawRecent(); });
$("undo").addEventListener("click", () => act(() => send("DELETE", `v1/frames/${status.waiting.frames.at(-1)}/label`)));
$("learn-form").addEventListener("submit", (event) => {
  event.preventDefault();
  act(async () => {
    await send("POST", "v1/learn", { task: $("task").value, epochs: Number($("epochs").value), keep: "ask" });
    $("task").value = "";
  });
});

async function refresh() {
  const [newStatus, newFrames, seconds] = await Promise.all([get("v1/status"), get("v1/frames"), get("v1/history")]);
  [status, frames] = [newStatus, newFrames];
  if (chosen !== null && !frames.some((f) => f.id === chosen)) chosen = null;
  drawStatus();
  drawNow();
  drawRecent();
  drawPlots(seconds);
}

let lost = false;
async function live() {
  if (!document.hidden) {
    try {
      await refresh();
      if (lost) say(null);
      lost = false;
    } catch (e) {
      lost = true;
      say(e instanceof TypeError ? "The service does not answer. Waiting for it." : e.message);
    }
  }
  setTimeout(live, EVERY);
}
live();
