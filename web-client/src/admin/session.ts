// The operator's session: a token in this tab's `sessionStorage`, which no other tab can read.
import { decodeClaims } from "../../sdk/jwt";
import { tabStorage } from "../shared/guarded-storage";

const KEY = "stanchion.operator";

export interface Claims {
  sub: string;
  role?: string;
  exp?: number;
}

export function loadToken(): string | undefined {
  return tabStorage.getItem(KEY) ?? undefined;
}

export function saveToken(token: string | undefined): void {
  if (token === undefined) tabStorage.removeItem(KEY);
  else tabStorage.setItem(KEY, token);
}

/** The claims of a token, unverified; undefined if it is malformed or names no user. */
export function readClaims(token: string): Claims | undefined {
  try {
    const claims = decodeClaims(token) as Partial<Claims>;
    return typeof claims.sub === "string" ? (claims as Claims) : undefined;
  } catch {
    return undefined;
  }
}
