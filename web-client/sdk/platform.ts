// Structural types of the platform's objects that the SDK's interface names. With them, the package's types need neither the DOM's
// library nor Node's; the real objects fit.

/** The part of an `AbortSignal` that the SDK uses. */
export interface Signal {
  readonly aborted: boolean;
  addEventListener(type: "abort", listener: () => void, options?: { once?: boolean }): void;
}

/** The part of a `Response` that the SDK uses. */
export interface FetchResponse {
  readonly ok: boolean;
  readonly status: number;
  readonly headers: { get(name: string): string | null };
  /** A `ReadableStream` of bytes. */
  readonly body: any;
  json(): Promise<any>;
}

/** `fetch`, or a function in its place. `init` is a `RequestInit`. */
export type Fetch = (url: string, init?: any) => Promise<FetchResponse>;

/** The part of a `WebSocket` that the SDK uses. */
export interface Socket {
  onopen: ((event: any) => void) | null;
  onmessage: ((event: any) => void) | null;
  onclose: ((event: any) => void) | null;
  send(data: string): void;
  close(code?: number): void;
}

/** The part of a `BroadcastChannel` that the SDK uses. */
export interface Channel {
  onmessage: ((event: any) => void) | null;
  postMessage(message: unknown): void;
  close(): void;
}

/** `navigator.locks`, or an object in its place. */
export interface Locks {
  /** `rest` is the task, or options and the task. */
  request(name: string, ...rest: any[]): Promise<any>;
}
