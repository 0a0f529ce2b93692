// An error response of the REST interface (RFC 9457), or the lack of a response from the service, as an exception.

/** Limit for `Retry-After` of an intermediary, which must not keep a client away for longer. */
const MAX_INTERMEDIARY_RETRY_AFTER_S = 30;

interface Body {
  type?: string;
  status?: number;
  code?: string;
  detail?: string;
  retry_after?: number;
  field?: string;
}

/** Whether the body is a problem of the service itself. A proxy, portal or firewall may answer with any status, but not with this. */
export function isServiceProblem(body: unknown): boolean {
  return String((body as Body | null)?.type).startsWith("urn:stanchion:problem:");
}

/**
 * `code` is stable, `detail` is for people. `status` is 0 if the service did not respond: `NO_ANSWER` without any response,
 * `UNAVAILABLE` if an intermediary responded in its place. The request may or may not have arrived then.
 */
export class Problem extends Error {
  override readonly name = "Problem";

  constructor(
    readonly status: number,
    readonly code: string,
    readonly detail: string,
    readonly retryAfterSeconds?: number,
    /** The request field that has an invalid value. */
    readonly field?: string,
  ) {
    super(detail);
  }

  static async of(response: Response): Promise<Problem> {
    const { status } = response;
    const wait = Number(response.headers.get("Retry-After") ?? NaN);
    const body = await response.json().catch(() => null);
    if (isServiceProblem(body)) return Problem.read(body, status, wait);
    const detail = `The service is not available right now (${status}).`;
    return new Problem(0, "UNAVAILABLE", detail, Math.min(wait, MAX_INTERMEDIARY_RETRY_AFTER_S) || undefined);
  }

  /** `status` applies if the body has none. */
  static read(body: unknown, status: number, wait = NaN): Problem {
    const read = body as Body;
    const retryAfter = Number.isNaN(wait) ? read.retry_after : wait;
    return new Problem(read.status ?? status, read.code ?? "INTERNAL", read.detail ?? "", retryAfter, read.field);
  }

  static noAnswer(): Problem {
    return new Problem(0, "NO_ANSWER", "The server did not answer.");
  }

  /** True if the same request may be sent again: its effect is unknown, or it had none. */
  get undecided(): boolean {
    return this.status === 0 || this.status >= 500;
  }
}
