// Lines of even right ascension and declination over the picture, with their labels.
const DEC_STEPS = [30, 20, 10, 5, 2, 1, 1 / 2, 1 / 3, 1 / 6, 1 / 12, 1 / 30, 1 / 60, 1 / 120, 1 / 360, 1 / 3600];
const RA_STEPS = [120, 60, 20, 15, 10, 5, 2, 1, 1 / 2, 1 / 6, 1 / 12, 1 / 60].map((minutes) => minutes / 4);
const LINES = 4; // about so many across the picture
const POLAR = 89; // deg; beyond, lines of right ascension are drawn from all around

// The part of the sky in view: right ascensions as offsets from the middle's.
function skyInView(sky, toImage, width, height) {
  const ra = [], dec = [], middle = sky.toSky(...toImage(width / 2, height / 2)) ?? [sky.ra0, 0];
  const n = 16;
  for (let i = 0; i <= n; i++) {
    for (let j = 0; j <= n; j++) {
      const at = sky.toSky(...toImage((i / n) * width, (j / n) * height));
      if (at === null) continue;
      ra.push(((at[0] - middle[0] + 540) % 360) - 180);
      dec.push(at[1]);
    }
  }
  if (dec.length === 0) return null;
  let [low, high] = [Math.min(...dec), Math.max(...dec)], [west, east] = [Math.min(...ra), Math.max(...ra)];
  const polar = high > POLAR || low < -POLAR;
  if (polar) [west, east] = [-180, 180];
  if (high > POLAR) high = 90;
  if (low < -POLAR) low = -90;
  return { ra0: middle[0], low, high, west, east, polar };
}

// Return [{label, points}] of all lines; points are screen coordinates, null where a line leaves the sphere.
function gridLines(sky, toScreen, seen, across) {
  const place = (ra, dec) => {
    const at = sky.toPixel(ra, dec);
    return at && toScreen(...at);
  };
  const decStep = DEC_STEPS.filter((step) => step >= across / LINES / 2).at(-1) ?? DEC_STEPS[0];
  const cos = Math.cos(Math.min(Math.abs(seen.low), Math.abs(seen.high)) * DEG);
  const wanted = seen.polar ? 30 : across / LINES / 2 / Math.max(cos, 0.02);
  const raStep = RA_STEPS.filter((step) => step >= wanted).at(-1) ?? RA_STEPS[0];
  const lines = [], n = 180;
  for (let k = Math.ceil(seen.low / decStep); k * decStep <= seen.high; k++) {
    if (Math.abs(k * decStep) > 90 - 1e-9) continue;
    const points = Array.from({ length: n + 1 }, (_, i) =>
      place(seen.ra0 + seen.west + ((seen.east - seen.west) * i) / n, k * decStep));
    lines.push({ label: sexagesimal(k * decStep, "d", 0, decStep), points });
  }
  // A little longer than what was seen at the samples, so that a straight line, too, enters from outside.
  const more = 0.05 * (seen.high - seen.low), [south, north] = [Math.max(-90, seen.low - more), Math.min(90, seen.high + more)];
  const first = Math.ceil((seen.ra0 + seen.west) / raStep - 1e-9);
  const end = (seen.ra0 + seen.east) / raStep - (seen.polar ? 1e-6 : 0);
  for (let k = first; k <= end; k++) {
    const ra = (((k * raStep) % 360) + 360) % 360;
    const points = Array.from({ length: n + 1 }, (_, i) => place(ra, south + ((north - south) * i) / n));
    lines.push({ label: sexagesimal(ra, "h", 0, raStep), points });
  }
  return lines;
}

// Draw the lines, and each label where its line enters the picture.
function drawGrid(context, sky, view, width, height) {
  const seen = skyInView(sky, view.toImage, width, height);
  if (seen === null) return;
  context.save();
  context.strokeStyle = "rgba(255, 255, 255, 0.35)";
  context.font = "12px system-ui, sans-serif";
  context.textBaseline = "middle";
  context.lineJoin = "round";
  const taken = [];
  const across = (sky.cell * Math.min(width, height)) / view.zoom;
  for (const { label, points } of gridLines(sky, view.toScreen, seen, across)) {
    context.lineWidth = 1;
    context.beginPath();
    points.forEach((at, i) => (at && points[i - 1] ? context.lineTo(...at) : at && context.moveTo(...at)));
    context.stroke();
    drawLabel(context, label, points, taken, width, height);
  }
  context.restore();
}

// Write a label where the line enters, or a twelfth along it if it is closed; nothing where another one stands.
function drawLabel(context, label, points, taken, width, height) {
  const inside = (at) => at && at[0] >= 0 && at[0] <= width && at[1] >= 0 && at[1] <= height;
  let index = points.findIndex((at, i) => inside(at) && i > 0 && !inside(points[i - 1]));
  if (index < 0) index = inside(points[0]) ? Math.floor(points.length / 12) : -1;
  if (index < 0 || !points[index]) return;
  const extent = context.measureText(label).width;
  const x = Math.max(6, Math.min(width - extent - 6, points[index][0] + 4));
  const y = Math.max(12, Math.min(height - 12, points[index][1] - 9));
  if (taken.some((box) => Math.abs(box.y - y) < 16 && x < box.x + box.extent + 8 && box.x < x + extent + 8)) return;
  taken.push({ x, y, extent });
  context.lineWidth = 3;
  context.strokeStyle = "rgba(0, 0, 0, 0.65)";
  context.strokeText(label, x, y);
  context.fillStyle = "rgba(255, 255, 255, 0.95)";
  context.fillText(label, x, y);
  context.strokeStyle = "rgba(255, 255, 255, 0.35)";
}
