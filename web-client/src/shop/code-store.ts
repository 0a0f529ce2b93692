// Recovery codes that were used in this browser, so that their bookings stay in the list. Without storage, for this page only.

const KEY = "stanchion.codes";
const MAX_CODES = 20;

let kept: string[] = [];

export function loadCodes(): string[] {
  try {
    const stored: unknown = JSON.parse(localStorage.getItem(KEY) ?? "[]");
    if (Array.isArray(stored)) kept = stored.filter((code) => typeof code === "string");
  } catch {
    // Storage is blocked, or holds something else.
  }
  return kept;
}

export function keepCode(code: string): void {
  save([code, ...loadCodes().filter((known) => known !== code)].slice(0, MAX_CODES));
}

export function forgetCode(code: string): void {
  save(loadCodes().filter((known) => known !== code));
}

function save(codes: string[]): void {
  kept = codes;
  try {
    localStorage.setItem(KEY, JSON.stringify(codes));
  } catch {
    // Storage is blocked or full.
  }
}

/** The letters of a code as the server writes them, whatever the user typed. */
export function normalizedCode(text: string): string {
  const letters = text.toUpperCase().replace(/[\s-]/g, "").replace(/O/g, "0").replace(/[IL]/g, "1");
  return letters.match(/.{1,4}/g)?.join("-") ?? "";
}

/** The code of a link `/bookings#code=…`. */
export function codeOf(hash: string): string | undefined {
  const code = new URLSearchParams(hash.slice(1)).get("code");
  return code ? normalizedCode(code) : undefined;
}
