// WebSocket close codes after which a client may not reconnect: all of 4500 to 4999. These two have a meaning of their own to a page.

export const BAD_TOKEN = 4500;
export const EVENT_CLOSED = 4505;
