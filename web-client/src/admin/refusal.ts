// A refusal of an operator's request: with the field it names, so that a form can say it where it belongs.
import { isOurs } from "../../sdk/problem";
import { optional, record, text } from "../../sdk/shape";

const problem = record({ code: optional(text), title: optional(text), detail: optional(text), field: optional(text) });

/** `NO_ANSWER` is this page's: nobody answered, or not the service. What was asked for may or may not have happened. */
export class Refusal extends Error {
  override readonly name = "Refusal";

  constructor(
    readonly status: number,
    readonly code: string,
    readonly detail: string,
    readonly field?: string,
  ) {
    super(detail);
  }

  static async of(response: Response): Promise<Refusal> {
    const { status } = response;
    try {
      const body = await response.json();
      if (!isOurs(body)) return Refusal.noAnswer();
      const { code, title, detail, field } = problem(body, "problem");
      return new Refusal(status, code ?? "INTERNAL", detail ?? title ?? String(status), field);
    } catch {
      return Refusal.noAnswer();
    }
  }

  static noAnswer(): Refusal {
    return new Refusal(0, "NO_ANSWER", "");
  }

  /** What is wrong with this field; empty where nothing is. */
  about(field: string): string {
    return this.field === field ? this.detail.replace(`${field} `, "") : "";
  }

  /** The token is missing, false, over, or not an operator's: says the service itself. */
  get unwelcome(): boolean {
    return this.status === 401 || this.status === 403;
  }
}
