"use strict";
// Asks for the runs every two seconds and draws them again. Text from files is only ever set as text.
const EVERY = 2000, MOST = 12;
const COLORS = ["#1c7ed6", "#d9480f", "#2f9e44", "#ae3ec9", "#e8590c", "#0c8599", "#c2255c", "#5c940d", "#4263eb", "#f08c00", "#087f5b", "#868e96"];
const part = (id) => document.getElementById(id);
const ticked = new Map(); // what the user chose, by run
const colors = new Map();
let overview = null, metric = "", sweep = decodeURIComponent(location.hash.slice(1));

function element(name, content = "", more = {}) {
  const made = document.createElement(name);
  if (content instanceof Node) made.append(content); else made.textContent = content;
  for (const [key, value] of Object.entries(more)) made.setAttribute(key, value);
  return made;
}
const spell = (value) => value === null || value === undefined ? "–" : typeof value === "number" ? String(Number(value.toPrecision(4))) : String(value);
const link = (place, words) => element("a", words, { href: "/files/" + place.split("/").map(encodeURIComponent).join("/"), target: "_blank" });
const isShown = (row) => ticked.has(row.run) ? ticked.get(row.run) : chosenForUser.has(row.run);
let chosenForUser = new Set();

function listed() {
  return overview.runs.filter((row) => !sweep || row.sweep === sweep || row.run === sweep);
}

function colorOf(run) {
  if (!colors.has(run)) colors.set(run, COLORS[colors.size % COLORS.length]);
  return colors.get(run);
}

function drawTables() {
  part("folder").textContent = overview.folder;
  document.title = "dltrain watch · " + overview.folder.split("/").pop();
  const states = {};
  for (const row of overview.runs) states[row.state] = (states[row.state] || 0) + 1;
  const words = Object.entries(states).map(([state, count]) => `${count} ${state}`).join(", ");
  part("counts").textContent = overview.runs.length ? `${overview.runs.length} runs: ${words}` : "no run yet";
  part("sweeps-part").hidden = !overview.sweeps.length;
  part("sweeps").replaceChildren(...overview.sweeps.map((row) => {
    const line = element("tr");
    const total = Object.values(row.states).reduce((sum, count) => sum + count, 0);
    const ended = total - (row.states.running || 0) - (row.states.waiting || 0);
    const jobs = element("td", element("progress", "", { max: total || 1, value: ended }));
    jobs.append(" " + Object.entries(row.states).map(([state, count]) => `${count} ${state}`).join(", "));
    const best = row.best ? `${row.best.monitor} ${spell(row.best.best)} (job ${row.best.run.slice(row.sweep.length + 1)})` : "–";
    line.append(element("td", row.sweep), element("td", row.state, { class: "state " + row.state }), jobs, element("td", best), element("td", row.page ? link(row.sweep + "/sweep.html", "page") : ""));
    return line;
  }));
  const choices = ["", ...overview.sweeps.map((row) => row.sweep)];
  if (part("sweep").options.length !== choices.length) {
    part("sweep").replaceChildren(...choices.map((name) => element("option", name || "all", { value: name })));
    part("sweep").value = sweep;
  }
  const rows = listed();
  const running = rows.filter((row) => row.state === "running"), others = rows.filter((row) => row.epoch && row.state !== "running");
  chosenForUser = new Set([...running, ...others].slice(0, MOST).map((row) => row.run));
  part("runs").replaceChildren(...rows.map((row) => {
    const line = element("tr"), box = element("input", "", { type: "checkbox" });
    box.checked = isShown(row);
    box.addEventListener("change", () => { ticked.set(row.run, box.checked); drawCurves(); });
    const keys = Object.entries(row.keys || {}).map(([key, value]) => `${key}=${value}`).join(" ");
    line.append(element("td", box), element("td", row.run), element("td", row.state, { class: "state " + row.state }));
    line.append(element("td", row.epochs ? `${spell(row.epoch)}/${row.epochs}` : spell(row.epoch)), element("td", row.monitor || ""), element("td", spell(row.best)), element("td", spell(row.last)), element("td", spell(row.seconds && Math.round(row.seconds * 10) / 10)));
    line.append(element("td", row.error || keys, { class: "text" }), element("td", row.page ? link(row.run + "/report.html", "page") : ""));
    return line;
  }));
}

function svg(name, more, words = "") {
  const made = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(more)) made.setAttribute(key, value);
  made.textContent = words;
  return made;
}

async function drawCurves() {
  const rows = listed().filter((row) => isShown(row) && row.epoch);
  const query = rows.map((row) => "run=" + encodeURIComponent(row.run)).join("&");
  const curves = rows.length ? await (await fetch("/curves.json?" + query)).json() : {};
  const names = [...new Set(Object.values(curves).flatMap((columns) => Object.keys(columns)))].filter((name) => !["epoch", "step", "seconds", "train_seconds"].includes(name));
  if (!names.includes(metric)) metric = (rows.length && names.includes(rows[0].monitor)) ? rows[0].monitor : names[0] || "";
  if ([...part("metric").options].map((option) => option.value).join() !== names.join()) part("metric").replaceChildren(...names.map((name) => element("option", name, { value: name })));
  part("metric").value = metric;
  const logarithmic = part("logarithmic").checked;
  const lines = rows.map((row) => {
    const columns = curves[row.run] || {};
    const points = (columns[metric] || []).map((value, at) => [columns.epoch[at], value]).filter(([, value]) => value !== null && (!logarithmic || value > 0));
    return { row, points };
  }).filter((line) => line.points.length);
  const drawing = part("curves");
  drawing.replaceChildren();
  part("legend").replaceChildren();
  if (!lines.length) { drawing.append(svg("text", { x: 450, y: 160, "text-anchor": "middle" }, "no epoch yet")); return; }
  const epochs = lines.flatMap((line) => line.points.map(([epoch]) => epoch)), values = lines.flatMap((line) => line.points.map(([, value]) => value));
  const change = logarithmic ? Math.log : (value) => value;
  const first = Math.min(...epochs), last = Math.max(...epochs), low = Math.min(...values), high = Math.max(...values);
  const x = (epoch) => 70 + 810 * (last > first ? (epoch - first) / (last - first) : 0.5);
  const y = (value) => 290 - 270 * (high > low ? (change(value) - change(low)) / (change(high) - change(low)) : 0.5);
  for (const value of new Set([low, logarithmic ? Math.sqrt(low * high) : (low + high) / 2, high])) {
    drawing.append(svg("line", { x1: 70, x2: 880, y1: y(value), y2: y(value) }), svg("text", { x: 62, y: y(value) + 4, "text-anchor": "end" }, spell(value)));
  }
  for (const epoch of new Set([first, last])) drawing.append(svg("text", { x: x(epoch), y: 310, "text-anchor": "middle" }, spell(epoch)));
  drawing.append(svg("text", { x: 475, y: 310, "text-anchor": "middle" }, "epoch"));
  for (const { row, points } of lines) {
    const line = svg("polyline", { points: points.map(([epoch, value]) => `${x(epoch).toFixed(1)},${y(value).toFixed(1)}`).join(" "), stroke: colorOf(row.run) });
    line.append(svg("title", {}, row.run));
    drawing.append(line);
    if (points.length === 1) drawing.append(svg("circle", { cx: x(points[0][0]), cy: y(points[0][1]), r: 3, fill: colorOf(row.run) }));
    const entry = element("span", element("i", "", { style: "background:" + colorOf(row.run) }));
    entry.append(row.run);
    part("legend").append(entry);
  }
}

async function update() {
  try {
    overview = await (await fetch("/overview.json")).json();
    part("offline").hidden = true;
    drawTables();
    await drawCurves();
  } catch (error) {
    part("offline").hidden = false;
  }
  setTimeout(update, EVERY);
}
part("metric").addEventListener("change", (event) => { metric = event.target.value; drawCurves(); });
part("logarithmic").addEventListener("change", drawCurves);
part("sweep").addEventListener("change", (event) => { sweep = event.target.value; drawTables(); drawCurves(); });
update();
