// Values to colours: a range, linear or asinh (linear up to `width`, logarithmic beyond), and a table of 256 colours.
class Colours {
  constructor(film) {
    this.tables = {};
    for (const [name, text] of Object.entries(film.colours)) {
      const bytes = atob(text);
      this.tables[name] = Uint8Array.from({ length: bytes.length }, (_, i) => bytes.charCodeAt(i));
    }
  }

  // Return the function that maps a value to 0..1, and its inverse.
  static norm(range, scale) {
    if (scale === "linear") {
      const extent = range.high - range.low;
      return { to: (v) => (v - range.low) / extent, from: (t) => range.low + t * extent };
    }
    const low = Math.asinh(range.low / range.width), extent = Math.asinh(range.high / range.width) - low;
    return {
      to: (v) => (Math.asinh(v / range.width) - low) / extent,
      from: (t) => range.width * Math.sinh(low + t * extent),
    };
  }

  // Paint a plane into an ImageData, its first row at the bottom; blank pixels become a grey check.
  paint(image, planes, index, name, norm) {
    const { width, height } = planes.film, levels = planes.levels[index], of = planes.film.planes[index];
    const table = this.tables[name], shade = new Uint16Array(65536).fill(256), out = image.data;
    for (let y = 0; y < height; y++) {
      let at = (height - 1 - y) * width * 4;
      for (let x = 0; x < width; x++, at += 4) {
        const level = levels[y * width + x];
        if (level === BLANK) {
          out[at] = out[at + 1] = out[at + 2] = ((x >> 2) + (y >> 2)) % 2 ? 128 : 112;
        } else {
          if (shade[level] === 256) {
            const t = norm.to(of.offset + level * of.step);
            shade[level] = Math.max(0, Math.min(255, Math.floor(t * 256)));
          }
          const c = shade[level] * 3;
          out[at] = table[c];
          out[at + 1] = table[c + 1];
          out[at + 2] = table[c + 2];
        }
        out[at + 3] = 255;
      }
    }
  }
}

// Ticks at 1, 2 and 5 times powers of ten, or their multiples, at least `apart` (0..1) from each other.
function scaleTicks(range, norm, apart) {
  const found = [0], biggest = Math.max(Math.abs(range.low), Math.abs(range.high));
  for (let power = Math.ceil(Math.log10(biggest)); power > Math.log10(biggest) - 6; power--) {
    for (const factor of [1, 5, 2]) found.push(factor * 10 ** power, -factor * 10 ** power);
  }
  const kept = [];
  for (const value of found) {
    const t = norm.to(value);
    if (t > -1e-9 && t < 1 + 1e-9 && kept.every((other) => Math.abs(other.t - t) >= apart)) kept.push({ value, t });
  }
  return kept;
}

// Ticks at even steps of 1, 2 or 5 times a power of ten, about `n` of them.
function evenTicks(low, high, n) {
  const rough = (high - low) / n, power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((f) => f * power).find((s) => s >= rough);
  const ticks = [];
  for (let k = Math.ceil(low / step - 1e-9); k * step <= high + 1e-9 * step; k++) ticks.push(k * step);
  return { ticks, digits: Math.max(0, -Math.floor(Math.log10(step) + 1e-9)) };
}

// Short text of a number: 0.05, 1e-6.
function short(value) {
  if (value === 0) return "0";
  const size = Math.abs(value);
  const text = size >= 1e-3 && size < 1e5 ? String(+value.toPrecision(4)) : value.toExponential().replace("e+", "e");
  return text.replace("-", "−").replace("e−", "e-");
}
