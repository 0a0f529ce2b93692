// The interface between a waiting room and its connection: a WebSocket, plain HTTP, or another tab's connection.
import { Emitter } from "./emitter";
import type { ClientMessage, ServerMessage, ServerMessages } from "./messages";

export type Carrier = "socket" | "stream" | "polling";

export type ConnectionState =
  | { state: "idle" }
  | { state: "connecting" }
  | { state: "connected"; via: Carrier }
  | { state: "reconnecting"; in_ms: number }
  /** The server forbade reconnecting; `code` is the close code. */
  | { state: "refused"; code: number; reason: string };

export interface TransportEvents {
  state: ConnectionState;
  /** On each new connection. The server does not know the client's places yet: send the joins again. */
  connected: ServerMessages["connected"];
  /** Every message after `connected`, except heartbeats. */
  message: ServerMessage;
}

export interface Transport extends Pick<Emitter<TransportEvents>, "on"> {
  readonly current: ConnectionState;
  /** Does nothing if the transport is open or connecting. */
  open(): void;
  close(): void;
  /** Returns false if there is no connection: send the message again after the next `connected`. */
  send(message: ClientMessage): boolean;
  /** Checks at once whether the connection is alive. Call it when the device wakes up or comes online. */
  probe(): void;
}

/** Holds the connection state and emits each change. */
export abstract class StatefulTransport extends Emitter<TransportEvents> {
  current: ConnectionState = { state: "idle" };

  /** Not opened yet, closed by the client, or refused by the server. */
  get isClosed(): boolean {
    return this.current.state === "idle" || this.current.state === "refused";
  }

  protected setState(state: ConnectionState): void {
    this.current = state;
    this.emit("state", state);
  }
}
