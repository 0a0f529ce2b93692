// The rule for failures that decide nothing: the request is sent again, after the time that the server asked for, plus jitter.
import { backoffMs } from "./backoff";
import type { Signal } from "./platform";
import type { Problem } from "./problem";

export interface RetryOptions {
  /** Ends the attempts: the last failure is thrown. */
  signal?: Signal;
  /** In [0, 1). */
  random?: () => number;
  /** Called before each delay. */
  onRetry?: (problem: Problem, in_ms: number) => void;
}

/** `failures` counts from 0, `random` is in [0, 1). */
export function retryDelayMs(problem: Problem, failures: number, random: number): number {
  return (problem.retryAfterSeconds ?? 0) * 1_000 + backoffMs(failures, random);
}

/**
 * Repeats `task` until it succeeds or the server decides against it. Failures that decide nothing are those with
 * `Problem.undecided`: too many requests, a server that is overloaded or restarts, a network without an answer.
 */
export async function retry<T>(task: () => Promise<T>, { signal, random = Math.random, onRetry }: RetryOptions = {}): Promise<T> {
  for (let failures = 0; ; failures++) {
    try {
      return await task();
    } catch (error) {
      const problem = error as Problem;
      if (!problem.undecided || signal?.aborted) throw error;
      const in_ms = retryDelayMs(problem, failures, random());
      onRetry?.(problem, in_ms);

      await new Promise<void>((resolve, reject) => {
        setTimeout(resolve, in_ms);
        signal?.addEventListener("abort", () => reject(error));
      });
    }
  }
}
