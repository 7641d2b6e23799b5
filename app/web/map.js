// The map: the field's picture, coastlines, a graticule and the observations, on one canvas.
// Plain latitude-longitude projection, squeezed east-west by the cosine of the middle latitude.

// observation minus analysis: purple (observed lower) through white to orange (observed higher); colour-blind safe
export const DIFFERENCE = ["#542788", "#998ec3", "#f7f7f7", "#f1a340", "#b35806"];
const REJECTED = "#8b8b8b";

export class WeatherMap {
  constructor(canvas, tip, describe) {
    this.canvas = canvas;
    this.tip = tip;
    this.describe = describe;        // observation -> {title, lines}
    this.observations = [];
    this.marks = [];
    this.chosen = -1;
    this.zoom = 1;                   // 1 shows the whole extent
    new ResizeObserver(() => this.draw()).observe(canvas.parentElement.parentElement);
    canvas.addEventListener("pointermove", (event) => (event.buttons && this.zoom > 1 ? this.drag(event) : this.point(event)));
    canvas.addEventListener("pointerdown", (event) => this.point(event));
    canvas.addEventListener("wheel", (event) => {
      if (event.deltaY > 0 && this.zoom === 1) return;      // let the page scroll on
      event.preventDefault();
      this.magnify(event.deltaY < 0 ? 1.25 : 0.8, event.offsetX, event.offsetY);
    }, { passive: false });
    canvas.addEventListener("pointerleave", () => this.choose(-1));
    canvas.addEventListener("blur", () => this.choose(-1));
    canvas.addEventListener("keydown", (event) => this.key(event));
  }

  // image: HTMLImageElement; extent: {west, south, east, north}; coast: [[[lon, lat], ...], ...];
  // observations: [{longitude, latitude, difference, withheld, rejected, ...}]; limit: |difference| at full colour
  show({ image, extent, coast, observations, limit, label }) {
    if (JSON.stringify(extent) !== JSON.stringify(this.extent)) {
      Object.assign(this, { zoom: 1, centre: { lon: (extent.west + extent.east) / 2, lat: (extent.south + extent.north) / 2 } });
    }
    Object.assign(this, { image, extent, coast, observations, limit, chosen: -1 });
    this.canvas.setAttribute("aria-label", label);
    this.tip.hidden = true;
    this.draw();
  }

  draw() {
    if (!this.extent) return;
    const { west, east, south, north } = this.extent;
    const squeeze = Math.max(Math.cos(((north + south) / 2) * Math.PI / 180), 0.2);
    const shape = (east - west) * squeeze / (north - south);
    const box = this.canvas.parentElement;
    box.parentElement.classList.toggle("wide", shape > 1.6);  // legends below
    box.style.maxWidth = `${Math.round(Math.max(window.innerHeight * 0.85, 420) * shape)}px`;
    const width = box.clientWidth, height = Math.round(width / shape);
    const ratio = window.devicePixelRatio || 1;
    this.canvas.width = Math.round(width * ratio);
    this.canvas.height = Math.round(height * ratio);
    this.canvas.style.height = `${height}px`;
    const g = this.canvas.getContext("2d");
    g.setTransform(ratio, 0, 0, ratio, 0, 0);
    this.scale = width / (east - west) * this.zoom;           // pixels per degree of longitude
    this.x = (lon) => width / 2 + (lon - this.centre.lon) * this.scale;
    this.y = (lat) => height / 2 - (lat - this.centre.lat) * this.scale / squeeze;
    this.squeeze = squeeze;
    g.imageSmoothingQuality = "high";
    if (this.image) g.drawImage(this.image, this.x(west), this.y(north), this.x(east) - this.x(west), this.y(south) - this.y(north));
    this.lines(g, this.coast || [], "rgba(255,255,255,.75)", 2.6);
    this.lines(g, this.coast || [], "rgba(15,25,32,.9)", 1.1);
    this.graticule(g, width, height);
    this.marks = this.observations.map((observation) => this.place(observation));
    const crowd = Math.max(0.55, Math.min(1, Math.sqrt(250 / this.observations.length)));
    this.size = Math.min(1.3, crowd * this.zoom ** 0.4);
    const order = this.marks.map((_, i) => i).sort((a, b) => this.rank(a) - this.rank(b));
    for (const i of order) if (i !== this.chosen) this.mark(g, this.marks[i], this.observations[i], false);
    if (this.chosen >= 0) this.mark(g, this.marks[this.chosen], this.observations[this.chosen], true);
  }

  // Closer (factor > 1) or farther, keeping what lies at the pixel (x, y) where it is.
  magnify(factor, x = this.canvas.clientWidth / 2, y = this.canvas.clientHeight / 2) {
    const before = this.scale;
    this.zoom = Math.max(1, Math.min(12, this.zoom * factor));
    const after = this.canvas.clientWidth / (this.extent.east - this.extent.west) * this.zoom;
    const shift = (pixels) => pixels / before - pixels / after;
    this.move(shift(x - this.canvas.clientWidth / 2), -shift(y - this.canvas.clientHeight / 2) * this.squeeze);
  }

  drag(event) {
    this.move(-event.movementX / this.scale, event.movementY / this.scale * this.squeeze);
  }

  move(lon, lat) {                   // never beyond the edge of the picture
    const { west, east, south, north } = this.extent;
    const keep = (value, low, high, half) => Math.max(low + half, Math.min(high - half, value));
    this.centre.lon = keep(this.centre.lon + lon, west, east, (east - west) / 2 / this.zoom);
    this.centre.lat = keep(this.centre.lat + lat, south, north, (north - south) / 2 / this.zoom);
    this.choose(-1);
  }

  rank(i) {                          // rejected below, then used, withheld on top
    const o = this.observations[i];
    return o.rejected ? 0 : o.withheld ? 2 : 1;
  }

  place(o) {
    let longitude = o.longitude;
    while (longitude < this.extent.west) longitude += 360;
    while (longitude > this.extent.east && longitude - 360 >= this.extent.west) longitude -= 360;
    return { x: this.x(longitude), y: this.y(o.latitude) };
  }

  graticule(g, width, height) {
    const { west, east, south, north } = this.extent;
    const step = [1, 2, 5, 10, 20, 30, 45].find((d) => (north - south) / this.zoom / d <= 7) || 45;
    const name = (value, signs) => `${Math.abs(value)}°${value === 0 ? "" : signs[value < 0 ? 1 : 0]}`;
    const text = (words, x, y) => { g.strokeText(words, x, y); g.fillText(words, x, y); };
    g.font = "11px system-ui, sans-serif";
    g.lineJoin = "round";
    const meridians = [], parallels = [];
    for (let lon = Math.ceil(west / step) * step; lon <= east; lon += step) meridians.push(lon);
    for (let lat = Math.ceil(south / step) * step; lat <= north; lat += step) parallels.push(lat);
    g.strokeStyle = "rgba(15,25,32,.25)";
    g.lineWidth = 0.6;
    g.beginPath();
    for (const lon of meridians) { g.moveTo(this.x(lon), 0); g.lineTo(this.x(lon), height); }
    for (const lat of parallels) { g.moveTo(0, this.y(lat)); g.lineTo(width, this.y(lat)); }
    g.stroke();
    g.strokeStyle = "rgba(255,255,255,.65)";
    g.lineWidth = 3;
    g.fillStyle = "#1d2a33";
    const every = Math.ceil(45 / (step * this.scale));       // room for a label, pixels
    for (const lon of meridians) if (this.x(lon) < width - 30 && Math.round(lon / step) % every === 0) text(name((lon + 540) % 360 - 180, "EW"), this.x(lon) + 3, height - 5);
    for (const lat of parallels) if (this.y(lat) > 14 && this.y(lat) < height - 20) text(name(lat, "NS"), 4, this.y(lat) - 3);
  }

  lines(g, lines, colour, width) {
    g.strokeStyle = colour;
    g.lineWidth = width;
    g.lineJoin = "round";
    g.beginPath();
    for (const line of lines) line.forEach(([lon, lat], i) => g[i ? "lineTo" : "moveTo"](this.x(lon), this.y(lat)));
    g.stroke();
  }

  mark(g, { x, y }, o, chosen) {
    const size = (o.rejected ? 3.5 : o.withheld ? 7 : 5) * this.size * (chosen ? 1.5 : 1);
    g.beginPath();
    if (o.rejected) {
      g.moveTo(x - size, y - size); g.lineTo(x + size, y + size);
      g.moveTo(x + size, y - size); g.lineTo(x - size, y + size);
      g.lineWidth = 3; g.strokeStyle = "rgba(255,255,255,.8)"; g.stroke();
      g.lineWidth = 1.5; g.strokeStyle = chosen ? "#000" : REJECTED; g.stroke();
      return;
    }
    if (o.withheld) {
      g.moveTo(x, y - size); g.lineTo(x + size, y); g.lineTo(x, y + size); g.lineTo(x - size, y); g.closePath();
    } else g.arc(x, y, size, 0, 2 * Math.PI);
    g.lineWidth = o.withheld ? 4.5 : 2.5; g.strokeStyle = o.withheld ? "#111a20" : "rgba(255,255,255,.9)"; g.stroke();
    g.fillStyle = colourOf(o.difference, this.limit); g.fill();
    g.lineWidth = 1; g.strokeStyle = o.withheld ? "#ffffff" : "rgba(15,25,32,.85)"; g.stroke();
  }

  point(event) {
    const box = this.canvas.getBoundingClientRect();
    const x = event.clientX - box.left, y = event.clientY - box.top;
    let best = -1, least = 16 ** 2;
    this.marks.forEach((mark, i) => {
      const distance = (mark.x - x) ** 2 + (mark.y - y) ** 2 - this.rank(i);
      if (distance < least) [best, least] = [i, distance];
    });
    if (best !== this.chosen) this.choose(best);
  }

  key(event) {
    const way = { ArrowRight: [1, 0], ArrowLeft: [-1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
    if (event.key === "Escape") this.choose(-1);
    if (event.key === "+" || event.key === "-") this.magnify(event.key === "+" ? 1.5 : 1 / 1.5);
    if (!way || !this.marks.length) return;
    event.preventDefault();
    const from = this.marks[this.chosen] || { x: this.canvas.clientWidth / 2, y: this.canvas.clientHeight / 2 };
    let best = this.chosen, least = Infinity;
    this.marks.forEach((mark, i) => {           // the nearest mark ahead, straying sideways costs double
      const ahead = (mark.x - from.x) * way[0] + (mark.y - from.y) * way[1];
      const aside = Math.abs((mark.x - from.x) * way[1]) + Math.abs((mark.y - from.y) * way[0]);
      if (i !== this.chosen && ahead > 0.5 && ahead + 2 * aside < least) [best, least] = [i, ahead + 2 * aside];
    });
    this.choose(best);
  }

  choose(i) {
    this.chosen = i;
    this.draw();
    this.tip.hidden = i < 0;
    if (i < 0) return;
    const { title, lines } = this.describe(this.observations[i]);
    const heading = document.createElement("strong");
    heading.textContent = title;
    this.tip.replaceChildren(heading, ...lines.map((line) => Object.assign(document.createElement("div"), { textContent: line, className: "value" })));
    const { x, y } = this.marks[i];
    const right = x + this.tip.offsetWidth + 20 < this.canvas.clientWidth;
    this.tip.style.left = `${Math.max(0, right ? x + 14 : x - this.tip.offsetWidth - 14)}px`;
    this.tip.style.top = `${Math.max(0, Math.min(y - 12, this.canvas.clientHeight - this.tip.offsetHeight - 4))}px`;
  }
}

export function colourOf(difference, limit) {
  if (difference === null || difference === undefined || !limit) return "#cfd4d6";
  const at = (Math.max(-1, Math.min(1, difference / limit)) + 1) / 2 * (DIFFERENCE.length - 1);
  const low = Math.min(Math.floor(at), DIFFERENCE.length - 2);
  const part = (colour) => [1, 3, 5].map((i) => parseInt(colour.slice(i, i + 2), 16));
  const [a, b] = [part(DIFFERENCE[low]), part(DIFFERENCE[low + 1])];
  return `rgb(${a.map((value, i) => Math.round(value + (b[i] - value) * (at - low))).join(",")})`;
}

// A round number near the 95th percentile of the absolute differences.
export function roundLimit(differences) {
  const sizes = differences.filter((d) => d !== null).map(Math.abs).sort((a, b) => a - b);
  const value = sizes[Math.floor(sizes.length * 0.95)] || 1;
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 3, 5, 10].map((m) => m * power).find((m) => m >= value * 0.999) || value;
}
