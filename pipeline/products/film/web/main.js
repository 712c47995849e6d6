// Puts the page together: what is shown, and what moves it.
const byId = (id) => document.getElementById(id);

class Page {
  constructor(film) {
    this.film = film;
    this.planes = new Planes(film);
    this.colours = new Colours(film);
    this.sky = new Sky(film.wcs);
    this.state = { plane: film.start, picked: null, hover: null, playing: null, ...film.settings };
    document.querySelectorAll(".unit").forEach((place) => (place.textContent = film.unit));
  }

  async start() {
    await this.planes.load((done, all) => (byId("loading").textContent = `Unpacking plane ${done} of ${all} …`));
    byId("loading").hidden = true;
    byId("film").hidden = byId("transport").hidden = false;
    const on = { hover: (x, y) => this.hover(x, y), pick: (x, y) => this.pick(Math.round(x), Math.round(y)) };
    this.picture = new Picture(byId("picture"), this.film, this.sky, on);
    this.spectrum = new Spectrum(byId("spectrum"), this.film, (plane) => this.setPlane(plane));
    this.listen();
    this.fillIn();
    this.picture.resize();
    this.setPlane(this.state.plane);
    this.pick(...this.film.brightest);
    byId("film").dataset.ready = "yes";
  }

  // Show a plane.
  setPlane(index) {
    const n = this.film.planes.length, plane = (this.state.plane = ((index % n) + n) % n), of = this.film.planes[plane];
    const blank = this.planes.isBlank(plane), text = `${of.mhz.toFixed(4)} MHz`;
    byId("slider").value = plane;
    byId("slider").setAttribute("aria-valuetext", text + (blank ? ", no data" : ""));
    byId("frequency").textContent = `${text}  (${plane + 1} of ${n})${blank ? ", no data" : ""}`;
    Object.assign(this.picture.overlay, { blank, beam: of.beam });
    byId("picture").setAttribute("aria-label", `Image at ${text}${blank ? ", no data" : ""}`);
    this.repaint();
    this.spectrum.now = plane;
    this.spectrum.draw();
    this.readout();
  }

  // The range in use: what was typed, or chosen for the cube or for the plane.
  get range() {
    const { span, typed, plane } = this.state;
    return span === "cube" ? { ...this.film.range, ...typed } : (this.film.planes[plane].range ?? this.film.range);
  }

  repaint() {
    const range = this.range, norm = Colours.norm(range, this.state.scale);
    this.colours.paint(this.picture.image, this.planes, this.state.plane, this.state.colours, norm);
    this.picture.refresh();
    for (const key of ["low", "high", "width"]) {
      if (document.activeElement !== byId(key)) byId(key).value = +range[key].toPrecision(5);
      byId(key).disabled = this.state.span === "plane";
    }
    byId("widthlabel").hidden = this.state.scale === "linear";
    byId("barnote").textContent = this.state.span === "plane" ? "– of this plane only" : "";
    this.drawBar(range, norm);
  }

  drawBar(range, norm) {
    const bar = byId("bar"), context = bar.getContext("2d"), table = this.colours.tables[this.state.colours];
    bar.width = 256;
    bar.height = 1;
    const line = context.createImageData(256, 1);
    for (let i = 0; i < 256; i++) line.data.set([...table.subarray(3 * i, 3 * i + 3), 255], 4 * i);
    context.putImageData(line, 0, 0);
    const ticks = scaleTicks(range, norm, 52 / Math.max(bar.clientWidth, 100)).map(({ value, t }) => {
      const tick = document.createElement("span");
      tick.style.left = `${100 * t}%`;
      tick.textContent = short(value);
      return tick;
    });
    byId("barticks").replaceChildren(...ticks);
    const ends = `from ${short(+range.low.toPrecision(3))} to ${short(+range.high.toPrecision(3))} ${this.film.unit}`;
    bar.setAttribute("aria-label", `Colour scale, ${this.state.scale}, ${ends}`);
  }

  hover(x, y) {
    this.state.hover = x === null ? null : [x, y];
    this.readout();
  }

  // Coordinates and value under the mouse, or else of the chosen pixel.
  readout() {
    const place = this.state.hover ?? this.state.picked;
    const [x, y] = place ?? [-1, -1], sky = place && this.sky.toSky(x, y);
    const [column, row] = [Math.round(x), Math.round(y)];
    const inside = column >= 0 && column < this.film.width && row >= 0 && row < this.film.height;
    const value = inside ? this.planes.value(this.state.plane, column, row) : NaN;
    byId("ra").textContent = sky ? sexagesimal(sky[0], "h", this.film.digits + 1) : "–";
    byId("dec").textContent = sky ? sexagesimal(sky[1], "d", this.film.digits) : "–";
    byId("pixel").textContent = inside ? this.pixelName(column, row) : "–";
    byId("value").textContent = !inside ? "–" : Number.isFinite(value) ? `${value.toPrecision(6)} ${this.film.unit}` : "no data";
  }

  // The name of a pixel in the cube's own counting, from 0.
  pixelName(column, row) {
    const { stride, first } = this.film; // of the page's pixels in the cube's
    return `${first[0] + stride * column}, ${first[1] + stride * row}`;
  }

  // Choose a pixel, and draw its spectrum.
  pick(column, row) {
    if (column < 0 || column >= this.film.width || row < 0 || row >= this.film.height) return;
    this.state.picked = [column, row];
    this.picture.overlay.picked = [column, row];
    const sky = this.sky.toSky(column, row);
    const name = sky ? `, ${sexagesimal(sky[0], "h", 1)} ${sexagesimal(sky[1], "d", 0)}` : "";
    byId("where").textContent = `pixel ${this.pixelName(column, row)}${name}`;
    this.spectrum.show(this.planes.spectrum(column, row), this.state.plane);
    this.picture.draw();
    this.readout();
  }

  play(on = this.state.playing === null) {
    clearTimeout(this.state.playing);
    this.state.playing = null;
    const step = () => {
      this.state.playing = setTimeout(step, 1000 / this.state.fps);
      this.setPlane(this.state.plane + 1);
    };
    if (on) this.state.playing = setTimeout(step, 1000 / this.state.fps);
    byId("play").textContent = on ? "❚❚" : "▶";
    byId("play").setAttribute("aria-pressed", String(on));
    byId("play").setAttribute("aria-label", on ? "Pause" : "Play");
  }

  fillIn() {
    byId("slider").max = this.film.planes.length - 1;
    byId("colours").replaceChildren(...Object.keys(this.colours.tables).map((name) => new Option(name, name)));
    for (const key of ["colours", "scale", "span", "fps"]) byId(key).value = this.state[key];
  }

  listen() {
    byId("slider").addEventListener("input", (event) => this.setPlane(+event.target.value));
    byId("play").addEventListener("click", () => this.play());
    byId("previous").addEventListener("click", () => this.setPlane(this.state.plane - 1));
    byId("next").addEventListener("click", () => this.setPlane(this.state.plane + 1));
    byId("fps").addEventListener("change", (event) => (this.state.fps = Math.min(60, Math.max(0.2, +event.target.value || 5))));
    for (const key of ["colours", "scale", "span"]) {
      byId(key).addEventListener("change", (event) => {
        this.state[key] = event.target.value;
        this.repaint();
      });
    }
    for (const key of ["low", "high", "width"]) byId(key).addEventListener("change", () => this.takeRange(key));
    byId("grid").addEventListener("change", (event) => this.showGrid(event.target.checked));
    byId("reset").addEventListener("click", () => {
      Object.assign(this.state, { typed: {}, span: "cube" });
      byId("span").value = "cube";
      this.repaint();
      this.picture.showAll();
    });
    byId("settings").addEventListener("submit", (event) => event.preventDefault());
    document.addEventListener("keydown", (event) => this.key(event));
  }

  // Take a typed end of the range, unless the range would be none.
  takeRange(key) {
    const wanted = { ...this.range, [key]: byId(key).valueAsNumber };
    const good = wanted.low < wanted.high && wanted.width > 0;
    byId(key).setCustomValidity(good ? "" : "the range must go up, and its linear part be above zero");
    byId(key).reportValidity();
    if (!good) return;
    this.state.typed = { ...this.state.typed, [key]: wanted[key] };
    this.repaint();
  }

  showGrid(on) {
    byId("grid").checked = this.picture.overlay.grid = on;
    this.picture.draw();
  }

  key(event) {
    const tag = event.target.tagName, onPicture = event.target === byId("picture");
    // What has the focus keeps the keys it has a use for itself.
    const own = event.target.type === "range" ? event.key !== " " && event.key !== "g" && event.key !== "0"
      : event.target.type === "checkbox" || tag === "BUTTON" || tag === "SUMMARY" ? event.key === " "
        : ["INPUT", "SELECT"].includes(tag);
    if (event.ctrlKey || event.metaKey || event.altKey || own) return;
    const reach = event.shiftKey ? 10 : 1, [x, y] = this.state.picked ?? [0, 0], last = this.film.planes.length - 1;
    const move = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] }[event.key];
    const actions = {
      ArrowLeft: () => this.setPlane(this.state.plane - 1), ArrowRight: () => this.setPlane(this.state.plane + 1),
      ",": () => this.setPlane(this.state.plane - 1), ".": () => this.setPlane(this.state.plane + 1),
      Home: () => this.setPlane(0), End: () => this.setPlane(last), " ": () => this.play(),
      "+": () => this.picture.zoomBy(1.5), "=": () => this.picture.zoomBy(1.5), "-": () => this.picture.zoomBy(1 / 1.5),
      0: () => this.picture.showAll(), g: () => this.showGrid(!this.picture.overlay.grid),
    };
    const action = onPicture && move ? () => this.pick(x + reach * move[0], y + reach * move[1]) : actions[event.key];
    if (!action) return;
    event.preventDefault();
    action();
  }
}

new Page(JSON.parse(byId("film-data").textContent)).start().catch((error) => {
  byId("loading").hidden = false;
  byId("loading").textContent = `This page cannot be shown: ${error.message}`;
});
