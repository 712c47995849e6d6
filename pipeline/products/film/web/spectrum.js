// The spectrum of a pixel: brightness over frequency, drawn as SVG; blank planes are gaps.
const SVG = "http://www.w3.org/2000/svg";
const MARGIN = { left: 62, right: 14, top: 14, bottom: 40 };
const MOST_POINTS = 200; // more would hide the line

function element(name, attributes, text) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  if (text !== undefined) made.textContent = text;
  return made;
}

// A prefix that keeps ticks short: [factor, unit]; only for units that take one.
function prefixed(unit, largest) {
  if (!/^(Jy|K)\b/.test(unit) || largest === 0) return [1, unit];
  const found = [[1e-3, "k"], [1, ""], [1e3, "m"], [1e6, "µ"], [1e9, "n"]].find(([f]) => largest * f >= 1);
  return found ? [found[0], found[1] + unit] : [1, unit];
}

class Spectrum {
  // choose(plane) is called on a click.
  constructor(svg, film, choose) {
    Object.assign(this, { svg, film, values: null, now: 0 });
    svg.addEventListener("click", (event) => {
      if (!this.values) return;
      const at = event.clientX - svg.getBoundingClientRect().left;
      const distance = film.planes.map((plane) => Math.abs(this.x(plane.mhz) - at));
      choose(distance.indexOf(Math.min(...distance)));
    });
    new ResizeObserver(() => this.draw()).observe(svg);
  }

  show(values, now) {
    this.values = values;
    this.now = now;
    this.draw();
  }

  draw() {
    const { svg, film, values } = this, width = svg.clientWidth, height = svg.clientHeight;
    svg.replaceChildren();
    if (!values || width === 0) return;
    const mhz = film.planes.map((plane) => plane.mhz), there = values.filter(Number.isFinite);
    const [factor, unit] = prefixed(film.unit, Math.max(0, ...there.map(Math.abs)));
    const spread = Math.max(...mhz) - Math.min(...mhz) || 0.1;
    const [left, right] = [Math.min(...mhz) - 0.03 * spread, Math.max(...mhz) + 0.03 * spread];
    let [low, high] = there.length ? [Math.min(...there) * factor, Math.max(...there) * factor] : [0, 1];
    const room = (high - low) * 0.08 || Math.abs(high) * 0.1 || 1;
    [low, high] = [low - room, high + room];
    this.x = (f) => MARGIN.left + ((f - left) / (right - left)) * (width - MARGIN.left - MARGIN.right);
    const y = (v) => height - MARGIN.bottom - ((v * factor - low) / (high - low)) * (height - MARGIN.top - MARGIN.bottom);
    this.axes({ left, right, low, high, factor, unit, width, height, y });
    this.curve(mhz, values, y, height);
    svg.append(element("line", {
      class: "now", x1: this.x(mhz[this.now]), x2: this.x(mhz[this.now]), y1: MARGIN.top, y2: height - MARGIN.bottom,
    }));
  }

  axes({ left, right, low, high, factor, unit, width, height, y }) {
    const bottom = height - MARGIN.bottom, svg = this.svg;
    const yTicks = evenTicks(low, high, 4), xTicks = evenTicks(left, right, Math.max(2, Math.floor(width / 75)));
    for (const tick of yTicks.ticks) {
      const at = y(tick / factor);
      svg.append(element("line", { class: "rule", x1: MARGIN.left, x2: width - MARGIN.right, y1: at, y2: at }));
      const text = tick.toFixed(yTicks.digits).replace("-", "−");
      svg.append(element("text", { x: MARGIN.left - 6, y: at + 4, "text-anchor": "end" }, text));
    }
    for (const tick of xTicks.ticks) {
      const at = this.x(tick);
      svg.append(element("line", { class: "axis", x1: at, x2: at, y1: bottom, y2: bottom + 5 }));
      svg.append(element("text", { x: at, y: bottom + 17, "text-anchor": "middle" }, tick.toFixed(xTicks.digits)));
    }
    svg.append(element("path", { class: "axis", d: `M${MARGIN.left} ${MARGIN.top}V${bottom}H${width - MARGIN.right}` }));
    const middle = (MARGIN.left + width - MARGIN.right) / 2;
    svg.append(element("text", { x: middle, y: height - 6, "text-anchor": "middle" }, "frequency [MHz]"));
    const turned = `rotate(-90 12 ${(MARGIN.top + bottom) / 2})`;
    const label = { x: 12, y: (MARGIN.top + bottom) / 2, "text-anchor": "middle", transform: turned };
    svg.append(element("text", label, `brightness [${unit}]`));
  }

  curve(mhz, values, y, height) {
    let path = "";
    values.forEach((value, i) => {
      if (Number.isFinite(value)) {
        path += `${Number.isFinite(values[i - 1]) ? "L" : "M"}${this.x(mhz[i]).toFixed(2)} ${y(value).toFixed(2)}`;
      }
    });
    this.svg.append(element("path", { class: "line", d: path }));
    values.forEach((value, i) => {
      const blank = !Number.isFinite(value);
      if (!blank && values.length > MOST_POINTS) return;
      const mark = blank
        ? element("rect", { class: "blank", x: this.x(mhz[i]) - 3, width: 6, y: height - MARGIN.bottom - 8, height: 8 })
        : element("circle", { cx: this.x(mhz[i]), cy: y(value), r: 3 });
      const text = blank ? "no data" : `${value.toPrecision(6)} ${this.film.unit}`;
      mark.append(element("title", {}, `${mhz[i].toFixed(6)} MHz: ${text}`));
      this.svg.append(mark);
    });
  }
}
