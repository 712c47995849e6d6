// The pixels: for each plane 16-bit levels, value = offset + level * step; level 65535 is blank.
const BLANK = 65535;

class Planes {
  constructor(film) {
    this.film = film;
    this.levels = [];
  }

  // Unpack plane after plane, and let the browser draw between them.
  async load(progress) {
    for (let i = 0; i < this.film.planes.length; i++) {
      const holder = document.getElementById(`plane-${i}`);
      const bytes = atob(holder.textContent);
      holder.remove();
      const n = this.film.width * this.film.height, levels = new Uint16Array(n);
      if (bytes.length !== 2 * n) throw new Error(`plane ${i} has ${bytes.length} bytes, not ${2 * n}`);
      for (let k = 0; k < n; k++) levels[k] = bytes.charCodeAt(2 * k) | (bytes.charCodeAt(2 * k + 1) << 8);
      this.levels.push(levels);
      progress(i + 1, this.film.planes.length);
      if (i % 4 === 3) await new Promise((done) => setTimeout(done, 0));
    }
  }

  // Value of a pixel; NaN where blank.
  value(plane, x, y) {
    const level = this.levels[plane][y * this.film.width + x], of = this.film.planes[plane];
    return level === BLANK ? NaN : of.offset + level * of.step;
  }

  spectrum(x, y) {
    return this.film.planes.map((_, i) => this.value(i, x, y));
  }

  isBlank(plane) {
    return this.film.planes[plane].range === null;
  }
}
