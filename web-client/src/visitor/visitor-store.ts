// The page's state, and the helper that runs a user's action and shows its failure.
import { Problem } from "@stanchion/client";
import { type Stage, type State, initialState } from "./state";

export class VisitorStore {
  state: State = initialState;
  /** Handles an error response of the service. */
  onProblem: (problem: Problem) => void = ({ code, detail }) => this.set({ error: { code, detail } });
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

  async attempt(action: () => Promise<void>): Promise<void> {
    this.set({ busy: true, error: undefined });
    try {
      await action();
    } catch (error) {
      this.fail(error);
    } finally {
      this.set({ busy: false });
    }
  }

  fail(error: unknown): void {
    if (error instanceof Problem) return this.onProblem(error);
    console.error(error);
    this.set({ error: { code: "PAGE_BROKEN" } });
  }
}
