// What a problem means to the operators' page.
import { Problem } from "../../sdk/problem";
import type { Conflict } from "./schemas";

/** The value was changed since this page read it. */
export class ChangedMeanwhile extends Problem {
  constructor(
    { status, code, detail }: Problem,
    readonly conflict: Conflict,
  ) {
    super(status, code, detail);
  }
}

/** The error text of a form field, without the field's name; empty if the problem does not concern the field. */
export function fieldError(problem: Problem | undefined, field: string): string {
  return problem?.field === field ? problem.detail.replace(field, "").replace(/^:? /, "") : "";
}

/** The service rejects the token: it is missing, invalid, expired, or not an operator's. */
export function isUnauthorized({ status }: Problem): boolean {
  return status === 401 || status === 403;
}

/** The service did not respond, so the request may or may not have taken effect. */
export function isUnanswered({ status }: Problem): boolean {
  return status === 0;
}
