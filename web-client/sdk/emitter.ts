// A typed event emitter.

export class Emitter<Events extends object> {
  /** Undefined after `end`. */
  #listeners: Map<keyof Events, Set<(payload: never) => void>> | undefined = new Map();

  /** Returns a function that ends the subscription. */
  on<Name extends keyof Events>(name: Name, listener: (payload: Events[Name]) => void): () => void {
    const listeners = this.#listeners?.get(name) ?? new Set();
    this.#listeners?.set(name, listeners.add(listener));
    return () => void listeners.delete(listener);
  }

  /**
   * Removes all listeners, and accepts none from then on.
   * @internal
   */
  end(): void {
    this.#listeners = undefined;
  }

  /** @internal */
  emit<Name extends keyof Events>(name: Name, payload: Events[Name]): void {
    for (const listener of [...(this.#listeners?.get(name) ?? [])]) {
      // A listener may end all.
      if (this.#listeners) (listener as (payload: Events[Name]) => void)(payload);
    }
  }
}
