// Does something again and again while somebody may be looking: never twice at once, and not in a
// hidden tab.

export class Poller {
  #work;
  #pause;
  #timer;
  #running = false;
  #busy = false;
  #again = false;

  constructor(work, pauseMs) {
    this.#work = work;
    this.#pause = pauseMs;
    document.addEventListener("visibilitychange", () => this.now());
  }

  start() {
    this.#running = true;
    this.now();
  }

  stop() {
    this.#running = false;
    clearTimeout(this.#timer);
  }

  /** Does it at once; while it is being done, right after. */
  async now() {
    clearTimeout(this.#timer);
    if (!this.#running || document.hidden) return;
    if (this.#busy) {
      this.#again = true;
      return;
    }
    this.#busy = true;
    this.#again = false;
    try {
      await this.#work();
    } finally {
      this.#busy = false;
      if (this.#again) this.now();
      else if (this.#running) this.#timer = setTimeout(() => this.now(), this.#pause);
    }
  }
}
