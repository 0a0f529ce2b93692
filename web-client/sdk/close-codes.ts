// What a close code means to a client: whether to come back.

/** Codes from 4500 say that coming back with the same request cannot work. */
export function mayReconnect(code: number): boolean {
  return code < 4500 || code > 4999;
}

export const BAD_TOKEN = 4500;
export const EVENT_CLOSED = 4505;
