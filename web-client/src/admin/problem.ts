// What a problem means to the operators' page.
import type { Problem } from "../../sdk/problem";

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
