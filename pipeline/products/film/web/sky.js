// Pixels and the sky. The SIN projection of FITS: Calabretta & Greisen 2002, A&A 395, 1077, equations 2, 5, 54 and 55.
const DEG = Math.PI / 180;

class Sky {
  // wcs: reference [x, y] pixel from 0; matrix [[a, b], [c, d]] deg/pixel; centre [ra, dec] deg; lonpole deg.
  constructor(wcs) {
    this.reference = wcs.reference;
    this.matrix = wcs.matrix;
    const [[a, b], [c, d]] = wcs.matrix;
    const det = a * d - b * c;
    this.inverse = [[d / det, -b / det], [-c / det, a / det]];
    this.ra0 = wcs.centre[0];
    this.sin0 = Math.sin(wcs.centre[1] * DEG);
    this.cos0 = Math.cos(wcs.centre[1] * DEG);
    this.sinPole = Math.sin(wcs.lonpole * DEG);
    this.cosPole = Math.cos(wcs.lonpole * DEG);
    this.cell = Math.sqrt(Math.abs(det));
    this.handed = Math.sign(det); // -1 where east is left of north, as on the sky
  }

  // Pixel to [ra, dec] in deg; null beyond the edge of the sphere.
  toSky(x, y) {
    const dx = x - this.reference[0], dy = y - this.reference[1];
    const u = (this.matrix[0][0] * dx + this.matrix[0][1] * dy) * DEG;
    const v = (this.matrix[1][0] * dx + this.matrix[1][1] * dy) * DEG;
    const n2 = 1 - u * u - v * v;
    if (n2 < 0) return null;
    const n = Math.sqrt(n2);
    const p = u * this.sinPole - v * this.cosPole, q = u * this.cosPole + v * this.sinPole;
    const along = n * this.cos0 - p * this.sin0;
    const ra = this.ra0 + Math.atan2(-q, along) / DEG;
    const dec = Math.atan2(n * this.sin0 + p * this.cos0, Math.hypot(q, along)) / DEG;
    return [((ra % 360) + 360) % 360, dec];
  }

  // [ra, dec] in deg to pixel [x, y]; null on the far side of the sphere.
  toPixel(ra, dec) {
    const a = (ra - this.ra0) * DEG, d = dec * DEG;
    const X = Math.cos(d) * Math.cos(a), Y = Math.cos(d) * Math.sin(a), Z = Math.sin(d);
    if (Z * this.sin0 + X * this.cos0 <= 0) return null;
    const p = Z * this.cos0 - X * this.sin0, q = -Y;
    const u = (p * this.sinPole + q * this.cosPole) / DEG, v = (q * this.sinPole - p * this.cosPole) / DEG;
    const [[a1, b1], [c1, d1]] = this.inverse;
    return [this.reference[0] + a1 * u + b1 * v, this.reference[1] + c1 * u + d1 * v];
  }
}

// An angle in sexagesimal parts: "22h40m05.12s", "-87°30′01.5″"; the last parts left out where `step` (deg) has none.
function sexagesimal(degrees, units, digits, step = 0) {
  const perUnit = units === "h" ? 15 : 1, marks = units === "h" ? ["h", "m", "s"] : ["°", "′", "″"];
  const scale = 10 ** digits;
  let ticks = Math.round((Math.abs(degrees) / perUnit) * 3600 * scale);
  if (units === "h") ticks %= 24 * 3600 * scale;
  const seconds = (ticks / scale) % 60, minutes = Math.floor(ticks / scale / 60) % 60;
  const parts = [Math.floor(ticks / scale / 3600), minutes, seconds];
  const whole = (unit) => step > 0 && Math.abs(step / unit - Math.round(step / unit)) < 1e-6;
  const n = whole(perUnit) ? 1 : whole(perUnit / 60) ? 2 : 3;
  const width = digits > 0 ? 3 + digits : 2;
  const text = parts.slice(0, n).map((part, i) =>
    (i === 2 ? part.toFixed(digits).padStart(width, "0") : String(part).padStart(2, "0")) + marks[i]).join("");
  return (units === "h" ? "" : degrees < 0 && ticks > 0 ? "−" : "+") + text;
}
