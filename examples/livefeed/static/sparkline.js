// How much has happened lately: a bar for each two seconds, and a mark where nobody could know.

const BARS = 60;
const STEP = 2000; // milliseconds
const WIDTH = 600, HEIGHT = 56, GAP = 3;

export class Sparkline {
  constructor(svg) {
    this.bars = Array.from({ length: BARS }, () => {
      const bar = document.createElementNS("http://www.w3.org/2000/svg", "rect");
      bar.setAttribute("width", WIDTH / BARS - GAP);
      bar.setAttribute("rx", 1.5);
      return svg.appendChild(bar);
    });
    this.counts = new Map(); // by the number of the step since 1970
    this.down = new Set();
  }

  get total() {
    return [...this.counts.values()].reduce((sum, count) => sum + count, 0);
  }

  clear() {
    this.counts.clear();
  }

  add(time) {
    const step = Math.floor(time / STEP);
    this.counts.set(step, (this.counts.get(step) ?? 0) + 1);
  }

  draw(live) {
    const now = Math.floor(Date.now() / STEP);
    const first = now - BARS + 1;
    if (!live) this.down.add(now);
    for (const step of this.counts.keys()) if (step < first) this.counts.delete(step);
    for (const step of this.down) if (step < first) this.down.delete(step);
    const peak = Math.max(5, ...this.counts.values());
    this.bars.forEach((bar, at) => {
      const count = this.counts.get(first + at) ?? 0;
      const height = count ? Math.max(6, (HEIGHT * count) / peak) : 2;
      bar.setAttribute("x", (at * WIDTH) / BARS + GAP / 2);
      bar.setAttribute("y", HEIGHT - height);
      bar.setAttribute("height", height);
      bar.setAttribute("class", count ? "" : this.down.has(first + at) ? "down" : "still");
    });
  }
}
