// Drawing without a mouse: while the drawing has the focus, the arrow keys move a pointer of its own, Enter or Space presses and
// lifts it, and Escape takes back what it had begun.

const FAR = 16, NEAR = 1;  // pixels of the page for one press of an arrow key; with Shift the smaller
const WAYS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
const ZOOM = { "+": 1.25, "-": 0.8 };

export class KeyboardPointer {
  // `view` is asked where things are, and told what to do.
  constructor(view) {
    this.view = view;
    view.screen.addEventListener("keydown", (event) => {
      if (event.ctrlKey || event.metaKey || event.altKey || !this.#use(event)) return;
      event.preventDefault();
      event.stopPropagation();
    });
    view.screen.addEventListener("blur", () => { this.#lift(); this.at = null; view.ring.hidden = true; });
    view.screen.addEventListener("pointerdown", () => { this.#lift(); this.at = null; });
  }

  #use({ key, shiftKey, repeat }) {
    if (key in WAYS) this.#move(WAYS[key], shiftKey ? NEAR : FAR);
    else if (key in ZOOM) this.view.zoomBy(ZOOM[key]);
    else if (key === "Enter" || key === " ") { if (!repeat) this.#press(); }
    else if (key === "Escape" && this.pressed) this.#lift("abort");
    else return false;
    return true;
  }

  // Pixels of the page inside the frame; the middle at first.
  get #place() {
    const { clientWidth: width, clientHeight: height } = this.view.frame;
    return this.at ?? { x: width / 2, y: height / 2 };
  }

  #move([right, down], far) {
    const { frame } = this.view, from = this.#place, moved = { x: from.x + right * far, y: from.y + down * far };
    if (this.view.tool().name === "hand") return this.view.panBy(right * far, down * far);
    this.at = {
      x: Math.min(frame.clientWidth - 1, Math.max(0, moved.x)), y: Math.min(frame.clientHeight - 1, Math.max(0, moved.y)),
    };
    if (this.pressed) this.view.extend([this.view.locate(this.at)]);
    this.view.showRing(this.at, true);
  }

  #press() {
    this.at = this.#place;
    if (this.pressed) this.#lift();
    else this.pressed = this.view.begin(this.view.locate(this.at));
    this.view.showRing(this.at, true);
  }

  #lift(how = "finish") {
    if (this.pressed) this.view[how]();
    this.pressed = false;
  }
}
