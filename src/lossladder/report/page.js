// All of this only adds to a page that is whole without it.
"use strict";

const make = (name, properties) => Object.assign(document.createElement(name), properties);

// --- pictures: values under the pointer, settings shown and hidden, single seeds, the other axis

for (const figure of document.querySelectorAll("figure")) {
  const sheet = figure.querySelector(".sheet");
  const [plain, log] = sheet.querySelectorAll(".plot");
  const rungs = [...plain.querySelectorAll(".inside .rung:not(.dashed)")]
    .map(line => ({name: line.dataset.name, value: Number(line.dataset.value)}));
  let at = [];  // that of the trace before, where it is the same
  const traces = [...plain.querySelectorAll(".trace")].map((group, place) => {
    const median = group.querySelector(".median");
    if (median.dataset.at) at = JSON.parse(median.dataset.at);
    const twin = log.querySelectorAll(".trace")[place];
    return {groups: [group, twin], label: group.dataset.label, at, losses: JSON.parse(median.dataset.loss),
            shown: true, points: [median, twin.querySelector(".median")].map(pointsOf)};
  });
  const coloured = traces.filter(trace => !trace.groups[0].classList.contains("other"));
  const tip = sheet.appendChild(make("div", {className: "tip", hidden: true}));
  const mark = sheet.appendChild(make("div", {className: "mark", hidden: true}));
  tip.setAttribute("aria-live", "polite");
  let current = null;  // {trace, index}

  function show(found) {
    for (const trace of traces) for (const group of trace.groups) group.classList.toggle("hot", trace === found?.trace);
    current = found;
    tip.hidden = mark.hidden = !found;
    if (!found) return;
    const {trace, index} = found;
    const plot = log.hasAttribute("hidden") ? plain : log;
    const box = plot.getBoundingClientRect(), around = sheet.getBoundingClientRect();
    const [x, y] = trace.points[plot === log ? 1 : 0][index];
    const left = box.left - around.left + x * box.width / 1000, top = box.top - around.top + y * box.height / 1000;
    const loss = trace.losses[index];
    const near = rungs.reduce((best, rung) => Math.abs(rung.value - loss) < Math.abs(best.value - loss) ? rung : best, rungs[0]);
    const away = loss - near.value;
    tip.replaceChildren(
      make("b", {textContent: trace.label}),
      make("div", {textContent: `${plain.dataset.x} ${trace.at[index].toLocaleString("en")}`}),
      make("div", {textContent: `${plain.dataset.y.split(",")[0]} ${loss.toFixed(4)}`}),
      make("div", {textContent: `nearest rung: ${near.name} (${Math.abs(away).toFixed(4)} ${away < 0 ? "below" : "above"})`}));
    mark.style.left = `${left}px`;
    mark.style.top = `${top}px`;
    mark.style.setProperty("--c", getComputedStyle(trace.groups[0]).getPropertyValue("--c"));
    tip.style.left = `${Math.max(0, Math.min(left + 14, around.width - tip.offsetWidth))}px`;
    tip.style.top = `${top > tip.offsetHeight + 16 ? top - tip.offsetHeight - 12 : top + 14}px`;
  }

  function nearest(event, plot) {
    const box = plot.getBoundingClientRect();
    const x = (event.clientX - box.left) / box.width, y = (event.clientY - box.top) / box.height;
    let found = null, least = Infinity;
    for (const trace of traces.filter(trace => trace.shown)) {
      trace.points[plot === log ? 1 : 0].forEach(([a, b], index) => {
        const away = Math.hypot((a / 1000 - x) * box.width, (b / 1000 - y) * box.height);
        if (away < least) [found, least] = [{trace, index}, away];
      });
    }
    return found;
  }

  function step(event) {
    const shown = traces.filter(trace => trace.shown);
    if (event.key === "Escape" || !shown.length) return show(null);
    const aside = {ArrowLeft: -1, ArrowRight: 1}[event.key], other = {ArrowUp: -1, ArrowDown: 1}[event.key];
    if (!aside && !other) return;
    event.preventDefault();
    const from = current ?? {trace: coloured.find(trace => trace.shown) ?? shown[0], index: 0};
    const trace = other ? shown.at((shown.indexOf(from.trace) + other) % shown.length) : from.trace;
    const index = from.index + (current ? aside ?? 0 : 0);
    show({trace, index: Math.max(0, Math.min(index, trace.at.length - 1))});
  }

  for (const plot of [plain, log]) {
    plot.tabIndex = 0;
    for (const kind of ["pointermove", "pointerdown"]) plot.addEventListener(kind, event => show(nearest(event, plot)));
    plot.addEventListener("pointerleave", () => show(null));
    plot.addEventListener("blur", () => show(null));
    plot.addEventListener("keydown", step);
  }

  figure.querySelectorAll(".legend li").forEach((item, place) => {
    const button = toggle(item, true, shown => {
      coloured[place].shown = shown;
      for (const group of coloured[place].groups) group.classList.toggle("gone", !shown);
      show(null);
    });
    button.title = "show or hide";
  });
  const tools = figure.querySelector(".tools");
  tools.hidden = false;
  for (const button of tools.querySelectorAll("button")) {
    press(button, on => {
      show(null);
      if (button.dataset.shows === "seeds") return figure.classList.toggle("single", on);
      plain.toggleAttribute("hidden", on);
      log.toggleAttribute("hidden", !on);
    });
  }
}

// The points of a path on the sheet of 1000 by 1000, which has steps after its first.
function pointsOf(path) {
  const numbers = path.getAttribute("d").match(/-?\d+/g).map(Number), points = [];
  for (let x = 0, y = 0, place = 0; place < numbers.length; place += 2)
    points.push([x += numbers[place], y += numbers[place + 1]]);
  return points;
}

// A button in place of what an element holds, pressed or not.
function toggle(element, pressed, act) {
  const button = make("button", {type: "button"});
  button.append(...element.childNodes);
  button.setAttribute("aria-pressed", pressed);
  element.append(button);
  return press(button, act);
}

function press(button, act) {
  button.addEventListener("click", () => {
    const on = button.getAttribute("aria-pressed") !== "true";
    button.setAttribute("aria-pressed", on);
    act(on);
  });
  return button;
}

// --- tables: sorted by any column, up and then down; what has no value stays last

for (const table of document.querySelectorAll("table")) {
  const body = table.tBodies[0];
  const value = (row, column) => row.cells[column].dataset.value ?? row.cells[column].textContent;
  const heads = [...[...table.tHead.rows].at(-1).cells];
  heads.forEach((head, column) => {
    const button = make("button", {type: "button", className: "sort"});
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const down = head.getAttribute("aria-sort") === "ascending";
      for (const other of heads) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      const rows = [...body.rows].map(row => [value(row, column), row]);
      rows.sort(([a], [b]) => {
        if (a === "" || b === "") return (a === "") - (b === "");
        const order = isNaN(a) || isNaN(b) ? a.localeCompare(b, "en", {numeric: true}) : a - b;
        return down ? -order : order;
      });
      body.append(...rows.map(([, row]) => row));
    });
  });
}
