// An error response of the REST interface (RFC 9457), or the lack of a response from the service, as an exception.

import type { FetchResponse } from "./platform";

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
  declare readonly status: number;
  declare readonly code: string;
  declare readonly detail: string;
  declare readonly retryAfterSeconds?: number;
  /** The request field that has an invalid value. */
  declare readonly field?: string;

  constructor(status: number, code: string, detail: string, retryAfterSeconds?: number, field?: string) {
    super(detail);
    Object.assign(this, { name: "Problem", status, code, detail, retryAfterSeconds, field });
  }

  static async of(response: FetchResponse): Promise<Problem> {
    const { status } = response;
    const wait = Number(response.headers.get("Retry-After") ?? NaN);
    const body = await response.json().catch(() => null);
    if (isServiceProblem(body)) return Problem.read(body, status, wait);
    return new Problem(0, "UNAVAILABLE", `HTTP ${status}`, Math.min(wait, MAX_INTERMEDIARY_RETRY_AFTER_S) || undefined);
  }

  /** `status` applies if the body has none. */
  static read(body: unknown, status: number, wait = NaN): Problem {
    const read = body as Body;
    return new Problem(read.status ?? status, read.code ?? "INTERNAL", read.detail ?? "", Number.isNaN(wait) ? read.retry_after : wait, read.field);
  }

  static noAnswer(): Problem {
    // A browser does not say why a request to another origin failed.
    return new Problem(0, "NO_ANSWER", "No answer, or CORS forbids it.");
  }

  /** Any failure as a problem: an exception without an answer of the service is the lack of one. */
  static from(error: unknown): Problem {
    return error instanceof Problem ? error : Problem.noAnswer();
  }

  /**
   * True if the failure decides nothing, so that the same request may be sent again: its effect is unknown, or it had none because
   * there were too many requests.
   */
  get undecided(): boolean {
    return this.status === 0 || this.status === 429 || this.status >= 500;
  }
}
