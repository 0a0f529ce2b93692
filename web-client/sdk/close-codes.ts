// WebSocket close codes: whether a client may reconnect.

/** 4500 to 4999 are final: the same request cannot succeed later. */
export function mayReconnect(code: number): boolean {
  return code < 4500 || code > 4999;
}

export const BAD_TOKEN = 4500;
export const EVENT_CLOSED = 4505;
