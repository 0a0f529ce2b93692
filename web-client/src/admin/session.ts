// Who is signed in: a token that this tab keeps, and nobody else.

const KEY = "stanchion.operator";

export interface Claims {
  sub: string;
  role?: string;
  exp?: number;
}

export function remembered(): string | undefined {
  return sessionStorage.getItem(KEY) ?? undefined;
}

export function remember(token: string | undefined): void {
  if (token === undefined) sessionStorage.removeItem(KEY);
  else sessionStorage.setItem(KEY, token);
}

/** What a token says of itself. Whether it is true, only the server can tell. */
export function claimsOf(token: string): Claims | undefined {
  try {
    const [, payload = ""] = token.split(".");
    const bytes = Uint8Array.from(atob(payload.replaceAll("-", "+").replaceAll("_", "/")), (char) => char.charCodeAt(0));
    const claims = JSON.parse(new TextDecoder().decode(bytes)) as Partial<Claims>;
    return typeof claims.sub === "string" ? (claims as Claims) : undefined;
  } catch {
    return undefined;
  }
}
