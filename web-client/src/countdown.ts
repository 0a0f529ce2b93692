// Time left until a deadline, shown each second; the end is told once.
import { write } from "./element";
import { clock } from "./wording";

export class Countdown {
  readonly #element: HTMLElement;
  readonly #now: () => number;
  readonly #ended: () => void;
  #deadline: number | undefined;
  #timer: ReturnType<typeof setInterval> | undefined;

  constructor(element: HTMLElement, now: () => number, ended: () => void) {
    this.#element = element;
    this.#now = now;
    this.#ended = ended;
  }

  /** Undefined stops it. */
  until(deadline: string | undefined): void {
    const ms = deadline === undefined ? undefined : Date.parse(deadline);
    if (ms === this.#deadline) return;
    this.#deadline = ms;
    clearInterval(this.#timer);
    if (ms === undefined) return;
    this.#timer = setInterval(() => this.#show(), 500);
    this.#show();
  }

  #show(): void {
    const left = (this.#deadline ?? 0) - this.#now();
    write(this.#element, clock(left));
    if (left > 0) return;
    clearInterval(this.#timer);
    this.#ended();
  }
}
