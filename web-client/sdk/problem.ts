// A refusal by the REST interface (RFC 9457), or the lack of any answer, as an error to catch.

interface Body {
  status?: number;
  code?: string;
  title?: string;
  detail?: string;
  retry_after?: number;
}

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
      return Problem.read(await response.json(), status, wait);
    } catch {
      // Not ours: a proxy answered.
      const code = status === 404 ? "NOT_FOUND" : "UNAVAILABLE";
      return new Problem(status, code, `The service is not available right now (${status}).`, wait || undefined);
    }
  }

  /** `status` where the body names none. */
  static read(body: unknown, status: number, wait = NaN): Problem {
    const read = body as Body;
    const retryAfter = Number.isNaN(wait) ? read.retry_after : wait;
    return new Problem(read.status ?? status, read.code ?? "INTERNAL", read.detail ?? read.title ?? "", retryAfter);
  }

  static noAnswer(): Problem {
    return new Problem(0, "NO_ANSWER", "The server did not answer.");
  }

  /** True where the same request may be sent again, because nothing is known of its effect or nothing happened. */
  get undecided(): boolean {
    return this.status === 0 || this.status >= 500;
  }
}
