// The picture: a plane in colours, moved and zoomed, with grid, beam and the chosen pixel.
const MOST_ZOOM = 64; // screen pixels a pixel
const CLICK_REACH = 4; // screen pixels; what moves further is a drag

class Picture {
  // on: {hover(x, y, inside), pick(x, y)}, called with pixel coordinates.
  constructor(canvas, film, sky, on) {
    Object.assign(this, { canvas, film, sky, on });
    this.context = canvas.getContext("2d");
    this.sheet = document.createElement("canvas");
    this.sheet.width = film.width;
    this.sheet.height = film.height;
    this.image = this.sheet.getContext("2d").createImageData(film.width, film.height);
    this.view = { zoom: 1, x: 0, y: 0 };
    this.whole = true;
    this.pointers = new Map();
    this.overlay = { grid: true, picked: null, beam: null, blank: false };
    this.listen();
    new ResizeObserver(() => this.resize()).observe(canvas);
  }

  get size() {
    return [this.canvas.clientWidth, this.canvas.clientHeight];
  }

  toImage(sx, sy) {
    const [w, h] = this.size, { zoom, x, y } = this.view;
    return [x + (sx - w / 2) / zoom, y - (sy - h / 2) / zoom];
  }

  toScreen(x, y) {
    const [w, h] = this.size, view = this.view;
    return [w / 2 + (x - view.x) * view.zoom, h / 2 - (y - view.y) * view.zoom];
  }

  get fitting() {
    const [w, h] = this.size;
    return Math.min(w / this.film.width, h / this.film.height);
  }

  showAll() {
    this.whole = true;
    this.view = { zoom: this.fitting, x: (this.film.width - 1) / 2, y: (this.film.height - 1) / 2 };
    this.draw();
  }

  // Zoom about a place on the screen; the pixel under it stays.
  zoomBy(factor, sx = this.size[0] / 2, sy = this.size[1] / 2) {
    const zoom = Math.min(Math.max(this.view.zoom * factor, this.fitting), Math.max(MOST_ZOOM, this.fitting));
    if (zoom === this.fitting) return this.showAll();
    const before = this.toImage(sx, sy);
    this.view.zoom = zoom;
    const after = this.toImage(sx, sy);
    this.move(before[0] - after[0], before[1] - after[1]);
  }

  // Move the view by pixels of the image; its middle stays in the image.
  move(dx, dy) {
    this.whole = false;
    this.view.x = Math.min(Math.max(this.view.x + dx, 0), this.film.width - 1);
    this.view.y = Math.min(Math.max(this.view.y + dy, 0), this.film.height - 1);
    this.draw();
  }

  resize() {
    const ratio = window.devicePixelRatio || 1, [w, h] = this.size;
    this.canvas.width = Math.max(1, Math.round(w * ratio));
    this.canvas.height = Math.max(1, Math.round(h * ratio));
    if (this.whole) this.showAll();
    else this.draw();
  }

  // Take the colours that were painted into `image`.
  refresh() {
    this.sheet.getContext("2d").putImageData(this.image, 0, 0);
    this.draw();
  }

  draw() {
    const context = this.context, [w, h] = this.size, zoom = this.view.zoom;
    context.setTransform(this.canvas.width / w, 0, 0, this.canvas.height / h, 0, 0);
    context.fillStyle = "#000";
    context.fillRect(0, 0, w, h);
    context.imageSmoothingEnabled = zoom < 1;
    // The first pixel of the sheet is the upper left one; its middle is at (0, height - 1).
    const [left, top] = this.toScreen(-0.5, this.film.height - 0.5);
    context.drawImage(this.sheet, left, top, this.film.width * zoom, this.film.height * zoom);
    this.canvas.classList.toggle("zoomed", !this.whole);
    if (this.overlay.grid) {
      const view = { zoom, toImage: this.toImage.bind(this), toScreen: this.toScreen.bind(this) };
      drawGrid(context, this.sky, view, w, h);
    }
    this.drawBeam(context, h);
    this.drawPicked(context);
    if (this.overlay.blank) this.drawNotice(context, "no data in this plane", w, h);
  }

  drawBeam(context, h) {
    const beam = this.overlay.beam;
    if (!beam) return;
    const scale = this.view.zoom / this.sky.cell;
    const [major, minor] = [(beam[0] / 2) * scale, (beam[1] / 2) * scale];
    // Position angles count from north through east; the picture says where both are.
    const [x, y] = [this.film.width / 2, this.film.height / 2], [ra, dec] = this.sky.toSky(x, y) ?? [0, 0];
    const up = this.sky.toPixel(ra, Math.min(dec + this.sky.cell, 90)) ?? [x, y + 1];
    const north = Math.atan2(-(up[1] - y), up[0] - x), angle = north + this.sky.handed * beam[2] * DEG;
    const size = Math.max(major, 6);
    context.save();
    context.fillStyle = "#fff";
    context.strokeStyle = "#000";
    context.beginPath();
    context.ellipse(size + 12, h - size - 12, major, minor, angle, 0, 2 * Math.PI);
    context.fill();
    context.stroke();
    context.restore();
  }

  drawPicked(context) {
    if (!this.overlay.picked) return;
    const [x, y] = this.toScreen(...this.overlay.picked), gap = Math.max(6, this.view.zoom * 0.75);
    for (const [width, colour] of [[4, "rgba(0, 0, 0, 0.7)"], [2, "#4fd1ff"]]) {
      context.lineWidth = width;
      context.strokeStyle = colour;
      context.beginPath();
      for (const [dx, dy] of [[1, 0], [-1, 0], [0, 1], [0, -1]]) {
        context.moveTo(x + dx * gap, y + dy * gap);
        context.lineTo(x + dx * (gap + 10), y + dy * (gap + 10));
      }
      context.stroke();
    }
  }

  drawNotice(context, text, w, h) {
    context.font = "600 18px system-ui, sans-serif";
    context.textAlign = "center";
    const half = context.measureText(text).width / 2 + 14;
    context.fillStyle = "rgba(0, 0, 0, 0.75)";
    context.fillRect(w / 2 - half, h / 2 - 20, 2 * half, 40);
    context.fillStyle = "#fff";
    context.fillText(text, w / 2, h / 2 + 6);
    context.textAlign = "start";
  }

  // Screen coordinates of an event within the canvas.
  at(event) {
    const box = this.canvas.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  }

  listen() {
    const canvas = this.canvas;
    canvas.addEventListener("pointerdown", (event) => {
      if (event.isTrusted) canvas.setPointerCapture(event.pointerId);
      this.pointers.set(event.pointerId, this.at(event));
      if (this.pointers.size === 1) this.start = { at: this.at(event), moved: false };
    });
    canvas.addEventListener("pointermove", (event) => this.pointerMoved(event));
    canvas.addEventListener("pointerup", (event) => {
      const clicked = this.pointers.size === 1 && this.start && !this.start.moved;
      this.pointers.delete(event.pointerId);
      if (clicked) this.on.pick(...this.toImage(...this.at(event)));
    });
    canvas.addEventListener("pointercancel", (event) => this.pointers.delete(event.pointerId));
    canvas.addEventListener("pointerleave", () => this.on.hover(null));
    canvas.addEventListener("wheel", (event) => {
      event.preventDefault();
      this.zoomBy(Math.exp(-event.deltaY * 0.0015), ...this.at(event));
    }, { passive: false });
    canvas.addEventListener("dblclick", () => this.showAll());
  }

  pointerMoved(event) {
    const now = this.at(event);
    if (this.pointers.has(event.pointerId)) this.dragged(event.pointerId, now);
    this.on.hover(...this.toImage(...now));
  }

  dragged(id, now) {
    const before = this.pointers.get(id), [x, y] = this.start.at;
    if (Math.hypot(now[0] - x, now[1] - y) > CLICK_REACH) this.start.moved = true;
    if (!this.start.moved) return;
    if (this.pointers.size === 2) this.pinch(id, now);
    else if (!this.whole) this.move((before[0] - now[0]) / this.view.zoom, (now[1] - before[1]) / this.view.zoom);
    this.pointers.set(id, now);
  }

  // Zoom by how far two fingers go apart, about the one that rests.
  pinch(id, now) {
    const [other] = [...this.pointers].filter(([key]) => key !== id).map(([, at]) => at);
    const before = this.pointers.get(id);
    const apart = (at) => Math.max(1, Math.hypot(at[0] - other[0], at[1] - other[1]));
    this.zoomBy(apart(now) / apart(before), ...other);
  }
}
