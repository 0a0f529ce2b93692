// What a waiting room speaks over, whatever carries it: a socket, plain HTTP, or another tab's connection.
import { Emitter } from "./emitter";
import type { ClientMessage, ServerMessage, ServerMessages } from "./messages";

export type Carrier = "socket" | "stream" | "polling";

export type ConnectionState =
  | { state: "idle" }
  | { state: "connecting" }
  | { state: "connected"; via: Carrier }
  | { state: "reconnecting"; in_ms: number }
  /** The server forbade coming back; `code` says why. */
  | { state: "refused"; code: number; reason: string };

export interface LinkEvents {
  state: ConnectionState;
  /** Each time the server is reached anew: whoever wants a place asks for it now. */
  connected: ServerMessages["connected"];
  /** Everything after `connected`, heartbeats excepted. */
  message: ServerMessage;
}

export interface Link extends Pick<Emitter<LinkEvents>, "on"> {
  readonly current: ConnectionState;
  /** Does nothing on a link that is open, or on its way. */
  open(): void;
  close(): void;
  /** False when there is no connection: whoever sends says it again after the next `connected`. */
  send(message: ClientMessage): boolean;
  /** To be called when the device wakes up or comes online: finds out now what is dead. */
  probe(): void;
}

/** A link that is in one state at a time and tells of each. */
export abstract class StatedLink extends Emitter<LinkEvents> {
  current: ConnectionState = { state: "idle" };

  /** Not asked to be open, or forbidden to come back. */
  get ended(): boolean {
    return this.current.state === "idle" || this.current.state === "refused";
  }

  protected enter(state: ConnectionState): void {
    this.current = state;
    this.emit("state", state);
  }
}
