// A refusal by the REST interface (RFC 9457), or the lack of any answer of the service's own, as an error to catch.

/** Longer nobody who is not the service may keep a client away. */
const LONGEST_FOREIGN_WAIT_S = 30;

interface Body {
  type?: string;
  status?: number;
  code?: string;
  detail?: string;
  retry_after?: number;
}

/** Whether this is the service's own refusal. A proxy, a portal, a firewall may answer with any status and anything but that. */
export function isOurs(body: unknown): boolean {
  return String((body as Body | null)?.type).startsWith("urn:stanchion:problem:");
}

/**
 * `code` is stable; `detail` is for people. `status` is the service's own, 0 where it did not speak: `NO_ANSWER` if nothing
 * came, `UNAVAILABLE` if something on the way answered in its place. The request may or may not have arrived then.
 */
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
    const body = await response.json().catch(() => null);
    if (isOurs(body)) return Problem.read(body, status, wait);
    const detail = `The service is not available right now (${status}).`;
    return new Problem(0, "UNAVAILABLE", detail, Math.min(wait, LONGEST_FOREIGN_WAIT_S) || undefined);
  }

  /** `status` where the body names none. */
  static read(body: unknown, status: number, wait = NaN): Problem {
    const read = body as Body;
    const retryAfter = Number.isNaN(wait) ? read.retry_after : wait;
    return new Problem(read.status ?? status, read.code ?? "INTERNAL", read.detail ?? "", retryAfter);
  }

  static noAnswer(): Problem {
    return new Problem(0, "NO_ANSWER", "The server did not answer.");
  }

  /** True where the same request may be sent again, because nothing is known of its effect or nothing happened. */
  get undecided(): boolean {
    return this.status === 0 || this.status >= 500;
  }
}
