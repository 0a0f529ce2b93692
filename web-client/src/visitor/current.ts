// The page's current state, and how an act of the user's changes it: one at a time, with its failure shown.
import { Problem } from "@stanchion/client";
import { type Stage, type State, initialState } from "./state";

export class Current {
  state: State = initialState;
  /** Decides where a refusal leads. */
  refused: (problem: Problem) => void = ({ code, detail }) => this.set({ trouble: { code, detail } });
  readonly #changed: (state: State) => void;

  constructor(changed: (state: State) => void) {
    this.#changed = changed;
  }

  set(change: Partial<State>): void {
    this.state = { ...this.state, ...change };
    this.#changed(this.state);
  }

  go(stage: Stage): void {
    this.set({ stage });
  }

  async attempt(act: () => Promise<void>): Promise<void> {
    this.set({ busy: true, trouble: undefined });
    try {
      await act();
    } catch (error) {
      this.failed(error);
    } finally {
      this.set({ busy: false });
    }
  }

  failed(error: unknown): void {
    if (error instanceof Problem) return this.refused(error);
    console.error(error);
    this.set({ trouble: { code: "PAGE_BROKEN" } });
  }
}
