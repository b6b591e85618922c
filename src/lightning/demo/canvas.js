/**
 * The drawn workflow: an SVG that fits its stage, with steps that move while the canvas may be edited.
 *
 * It owns the places of the steps. They are this tab's own and are forgotten when the layout changes.
 *
 * Not here: who may edit (`demo.js`), the drawing's content (`workflow.js`), its looks (`canvas.css`).
 */

import { CARD, LAYOUTS, PATHS, STEPS } from "./workflow.js";

export class Canvas {
  #stage;
  #svg = svg("svg", { role: "group", "aria-label": "Workflow: patient intake" });
  #steps = new Map();
  #paths = [];
  #layout = null;
  #drag = null;

  /** @param {HTMLElement} stage what the drawing fills; `data-editable` on it says whether steps may move */
  constructor(stage) {
    this.#stage = stage;
    this.#paths = PATHS.map((path) => new Path(path));
    for (const path of this.#paths) this.#svg.append(path.element);
    for (const step of STEPS) this.#addStep(new Step(step));
    this.#svg.addEventListener("pointermove", (event) => this.#dragTo(event));
    for (const end of ["pointerup", "pointercancel"]) this.#svg.addEventListener(end, () => this.#drop());
    stage.prepend(this.#svg);
    new ResizeObserver(() => this.#fit()).observe(stage);
    this.#fit();
  }

  /** Opens or locks the canvas. A step that is being dragged when the lock comes stays where it is. */
  set editable(editable) {
    this.#stage.dataset.editable = String(editable);
    this.#svg.setAttribute("aria-description", editable ? "Arrow keys move the focused step" : "Locked");
    if (!editable) this.#drop();
  }

  get editable() {
    return this.#stage.dataset.editable === "true";
  }

  #addStep(step) {
    this.#steps.set(step.id, step);
    this.#svg.append(step.element);
    step.element.addEventListener("pointerdown", (event) => this.#grab(step, event));
    step.element.addEventListener("keydown", (event) => {
      const [dx, dy] = ARROWS[event.key] ?? [];
      if (dx === undefined || !this.editable) return;
      event.preventDefault();
      this.#move(step, step.x + dx * NUDGE, step.y + dy * NUDGE);
    });
  }

  #grab(step, event) {
    if (!this.editable || event.button !== 0) return;
    const at = this.#pointOf(event);
    this.#drag = { step, dx: step.x - at.x, dy: step.y - at.y };
    step.element.classList.add("dragged");
    this.#svg.setPointerCapture(event.pointerId);
  }

  #dragTo(event) {
    if (!this.#drag) return;
    const { step, dx, dy } = this.#drag;
    const at = this.#pointOf(event);
    this.#move(step, at.x + dx, at.y + dy);
  }

  #drop() {
    this.#drag?.step.element.classList.remove("dragged");
    this.#drag = null;
  }

  /** Within the stage: a step that cannot be seen cannot be fetched back. */
  #move(step, x, y) {
    const view = this.#svg.viewBox.baseVal;
    step.place(
      clamp(x, view.x, view.x + view.width - CARD.width),
      clamp(y, view.y, view.y + view.height - CARD.height),
    );
    this.#drawPaths();
  }

  #pointOf(event) {
    return new DOMPoint(event.clientX, event.clientY).matrixTransform(this.#svg.getScreenCTM().inverse());
  }

  #fit() {
    const { clientWidth: width, clientHeight: height } = this.#stage;
    const layout = width < TALL_BELOW ? "tall" : "wide";
    if (layout !== this.#layout) this.#arrange(layout);
    const { left, top, right, bottom } = boundsOf(layout);
    const space = { width: width - 2 * MARGIN.side, height: height - MARGIN.top - MARGIN.bottom };
    if (space.width <= 0 || space.height <= 0) return;
    const scale = Math.min(LARGEST, space.width / (right - left), space.height / (bottom - top));
    const x = (left + right) / 2 - width / 2 / scale;
    const y = (top + bottom) / 2 - (MARGIN.top + space.height / 2) / scale;
    this.#svg.setAttribute("viewBox", `${x} ${y} ${width / scale} ${height / scale}`);
    for (const step of this.#steps.values()) this.#move(step, step.x, step.y);
  }

  #arrange(layout) {
    this.#layout = layout;
    this.#drop();
    for (const step of STEPS) this.#steps.get(step.id).place(...placeOf(step, layout));
    this.#drawPaths();
  }

  #drawPaths() {
    const { flow } = LAYOUTS[this.#layout];
    for (const path of this.#paths) path.draw(this.#steps.get(path.from), this.#steps.get(path.to), flow);
  }
}

class Step {
  x = 0;
  y = 0;

  constructor({ id, icon, tone, title, note }) {
    this.id = id;
    const label = `Step: ${title}, ${note}`;
    this.element = svg("g", { class: `step ${tone}`, tabindex: "0", role: "img", "aria-label": label });
    this.element.append(
      svg("rect", { class: "card", width: CARD.width, height: CARD.height, rx: 16 }),
      svg("rect", { class: "tile", x: 15, y: 15, width: 44, height: 44, rx: 12 }),
      svg("use", { class: "icon", href: `#icon-${icon}`, x: 26, y: 26, width: 22, height: 22 }),
      svg("text", { class: "title", x: 72, y: 34 }, title),
      svg("text", { class: "note", x: 72, y: 53 }, note),
    );
  }

  place(x, y) {
    this.x = x;
    this.y = y;
    this.element.setAttribute("transform", `translate(${x} ${y})`);
  }
}

class Path {
  #line = svg("path", { class: "line", "marker-end": "url(#arrow)" });
  #label = null;

  constructor({ from, to, label }) {
    this.from = from;
    this.to = to;
    this.element = svg("g", { class: label === "on failure" ? "path failure" : "path" });
    this.element.append(this.#line);
    if (!label) return;
    const width = label.length * 6.4 + 22;
    this.#label = svg("g", { class: "label" });
    this.#label.append(
      svg("rect", { x: -width / 2, y: -12, width, height: 24, rx: 12 }),
      svg("text", { y: 4, "text-anchor": "middle" }, label),
    );
    this.element.append(this.#label);
  }

  draw(from, to, flow) {
    const [ax, ay, bx, by] =
      flow === "right"
        ? [from.x + CARD.width, from.y + CARD.height / 2, to.x - ARROW_GAP, to.y + CARD.height / 2]
        : [from.x + CARD.width / 2, from.y + CARD.height, to.x + CARD.width / 2, to.y - ARROW_GAP];
    const bend = Math.max(36, (flow === "right" ? Math.abs(bx - ax) : Math.abs(by - ay)) / 2);
    const curve = flow === "right" ? [ax + bend, ay, bx - bend, by] : [ax, ay + bend, bx, by - bend];
    this.#line.setAttribute("d", `M${ax} ${ay}C${curve.join(" ")} ${bx} ${by}`);
    this.#label?.setAttribute("transform", `translate(${(ax + bx) / 2} ${(ay + by) / 2})`);
  }
}

function placeOf(step, layout) {
  const [column, row] = step[layout];
  return [column * LAYOUTS[layout].column, row * LAYOUTS[layout].row];
}

function boundsOf(layout) {
  const places = STEPS.map((step) => placeOf(step, layout));
  const xs = places.map(([x]) => x);
  const ys = places.map(([, y]) => y);
  return {
    left: Math.min(...xs),
    top: Math.min(...ys),
    right: Math.max(...xs) + CARD.width,
    bottom: Math.max(...ys) + CARD.height,
  };
}

function svg(tag, attributes, text) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  if (text) element.textContent = text;
  return element;
}

const clamp = (value, least, most) => Math.min(Math.max(value, least), most);

const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

/** SVG units of one arrow key: the pitch of the dots. */
const NUDGE = 22;

/** Room between the head of an arrow and the card it points to. */
const ARROW_GAP = 4;

/** Pixels kept free for the banner above and the chip below. */
const MARGIN = { side: 20, top: 92, bottom: 84 };

/** Pixels of stage below which the workflow runs downwards. */
const TALL_BELOW = 720;

const LARGEST = 1.2;
