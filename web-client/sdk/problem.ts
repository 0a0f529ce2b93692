// A refusal by the REST interface (RFC 9457), or the lack of any answer, as an error to catch.
import { count, optional, record, text } from "./shape";

const problem = record({
  status: optional(count),
  code: optional(text),
  title: optional(text),
  detail: optional(text),
  field: optional(text),
  retry_after: optional(count),
});

/** `code` is stable; `detail` is for people. `NO_ANSWER` is ours: the request may or may not have arrived. */
export class Problem extends Error {
  override readonly name = "Problem";

  constructor(
    readonly status: number,
    readonly code: string,
    readonly detail: string,
    readonly retryAfterSeconds?: number,
  ) {
    super(detail);
  }

  static async of(response: Response): Promise<Problem> {
    const { status } = response;
    const wait = Number(response.headers.get("Retry-After") ?? NaN);
    try {
      const read = problem(await response.json(), "problem");
      const detail = read.detail ?? read.title ?? `The server refused the request (${status}).`;
      return new Problem(status, read.code ?? "INTERNAL", detail, Number.isNaN(wait) ? read.retry_after : wait);
    } catch {
      // Not ours: a proxy answered.
      const code = status === 404 ? "NOT_FOUND" : "UNAVAILABLE";
      return new Problem(status, code, `The service is not available right now (${status}). Please try again.`);
    }
  }

  static noAnswer(): Problem {
    return new Problem(0, "NO_ANSWER", "The server did not answer. Check your connection and try again.");
  }

  /** True where the same request may be sent again, because nothing is known of its effect or nothing happened. */
  get undecided(): boolean {
    return this.status === 0 || this.status >= 500;
  }
}
