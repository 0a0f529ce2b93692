// A user's places in queues, over one transport: joins, rejoins with the ticket, acknowledges passes, and never reports a higher
// position than before.
import { backoffMs } from "./backoff";
import { Emitter } from "./emitter";
import { normalId } from "./ids";
import { decodeClaims } from "./jwt";
import type { ClientMessages, ServerMessage, ServerMessages } from "./messages";
import type { PlaceStore } from "./place-store";
import type { ConnectionState, Transport } from "./transport";

type Message<Type extends keyof ServerMessages> = Omit<ServerMessages[Type], "type">;

/** `position` never rises for the same ticket. `first` is the position at the join. */
export type Position = Message<"position"> & { first: number };

export interface WaitingRoomEvents {
  connection: ConnectionState;
  position: Position;
  /** Emitted once per pass, however often the server delivers it. */
  pass: Message<"pass">;
  reserved: Message<"reserved">;
  left: Message<"left">;
  event: Message<"event">;
  error: Message<"error"> & { then: NextAction };
}

/**
 * What the client does after an error: `gone` - it stopped asking for the place; `retrying` - it joins again after a backoff; `none` - the
 * error does not concern a place.
 */
export type NextAction = "gone" | "retrying" | "none";

/** The seats to hold when the pass is issued, in order of preference; the first available choice is taken. */
export type SeatPreferences = NonNullable<ClientMessages["join"]["wish"]>;
export type SocketReserveRequest = Omit<ClientMessages["reserve"], "type">;

/** A queue that the caller wants to be in. */
interface JoinIntent {
  wish: SeatPreferences | undefined;
  retries: number;
  pass_id?: string;
  expires_at?: string;
  timer?: ReturnType<typeof setTimeout>;
}

/** Errors that do not end the place: the client joins again. After an unclaimed pass is revoked, the ticket stays valid. */
const RETRYABLE = ["RATE_LIMITED", "UNAVAILABLE", "INTERNAL", "PASS_REVOKED", "TOKEN_EXPIRED"];

export class WaitingRoom extends Emitter<WaitingRoomEvents> {
  readonly #transport: Transport;
  readonly #places: PlaceStore;
  readonly #random: () => number;
  readonly #intents = new Map<string, JoinIntent>();
  /** Unanswered leaves. They are sent again after a reconnect, and their answer must not end a later join. */
  readonly #pendingLeaves = new Set<string>();
  #userId = "";

  constructor(transport: Transport, places: PlaceStore, random: () => number = Math.random) {
    super();
    this.#transport = transport;
    this.#places = places;
    this.#random = random;
    transport.on("state", (state) => this.emit("connection", state));
    transport.on("connected", (message) => this.#resume(message.user_id));
    transport.on("message", (message) => this.#onMessage(message));
  }

  /**
   * Takes a place, or resumes it after a reload. Applies to every reconnect until `leave` or `finish`. `wish` replaces earlier
   * preferences; if it is undefined they are kept. Does nothing after the client's `close`.
   */
  join(eventId: string, wish?: SeatPreferences): void {
    const id = normalId(eventId);
    this.#cancelRetry(id);
    if (this.#transport.current.state !== "connected") this.#pendingLeaves.delete(id);
    this.#intents.set(id, { wish, retries: 0 });
    this.#transport.open();
    this.#sendJoin(id);
  }

  /** Gives the place up. Does nothing after the client's `close`. */
  leave(eventId: string): void {
    const id = normalId(eventId);
    this.finish(id);
    this.#pendingLeaves.add(id);
    this.#transport.send({ type: "leave", event_id: id });
    this.#transport.open();
  }

  /** Removes the place locally without giving it up: the pass was used, or the server no longer has the place. */
  finish(eventId: string): void {
    const id = normalId(eventId);
    this.#cancelRetry(id);
    this.#intents.delete(id);
    this.#places.forget(this.#userId, id);
  }

  /**
   * Ends all retries and listeners; places are kept.
   * @internal
   */
  override end(): void {
    super.end();
    // A retry that is due finds no intent.
    this.#intents.clear();
    this.join = this.leave = this.finish = () => {};
  }

  /** The answer is `reserved` or `error`, with the idempotency key as `ref`. Returns false if there is no connection. */
  reserve(request: SocketReserveRequest): boolean {
    return this.#transport.send({ type: "reserve", ...request, event_id: normalId(request.event_id) });
  }

  #resume(userId: string): void {
    this.#userId = userId;
    for (const eventId of this.#intents.keys()) this.#pendingLeaves.delete(eventId);
    for (const eventId of this.#pendingLeaves) this.#transport.send({ type: "leave", event_id: eventId });
    for (const eventId of this.#intents.keys()) this.#sendJoin(eventId);
  }

  #sendJoin(eventId: string): void {
    const intent = this.#intents.get(eventId);
    if (!intent) return;
    const known = this.#places.find(this.#userId, eventId);
    const wish = intent.wish ?? known?.wish;
    if (known) this.#places.keep(this.#userId, eventId, { ...known, wish });
    this.#transport.send({ type: "join", event_id: eventId, ticket: known?.ticket, position: known?.position, wish });
  }

  #onMessage(message: ServerMessage): void {
    switch (message.type) {
      case "queued":
        return this.#onQueued(message);
      case "position":
        return this.#onPosition(message);
      case "pass":
        return this.#onPass(message);
      case "left":
        return this.#onLeft(message);
      case "error":
        return this.#onError(message);
      case "reserved":
      case "event":
        return this.emit(message.type, message as never);
    }
  }

  #onQueued({ ticket, ...place }: ServerMessages["queued"]): void {
    const intent = this.#intents.get(place.event_id);
    if (!intent) return;
    intent.retries = 0;

    const known = this.#places.find(this.#userId, place.event_id);
    const wish = intent.wish ?? known?.wish;
    if (known?.ticket !== ticket) {
      // Another queue number is another place with its own position. After a loss of the queue, the same number gets a new ticket.
      const before = known?.ticket !== undefined && queueNumber(known.ticket) === queueNumber(ticket) ? known : {};
      this.#places.keep(this.#userId, place.event_id, { ...before, ticket, wish });
    }
    this.#onPosition(place);
  }

  #onPosition(place: Message<"position">): void {
    if (!this.#intents.has(place.event_id)) return;
    const known = this.#places.find(this.#userId, place.event_id);
    const position = Math.min(place.position, known?.position ?? Infinity);
    const first = known?.first ?? position;
    if (known && known.position !== position) {
      this.#places.keep(this.#userId, place.event_id, { ...known, first, position });
    }
    this.emit("position", { ...place, position, first });
  }

  #onPass(message: ServerMessages["pass"]): void {
    // Acknowledge each delivery: a repeated one means that the last acknowledgement did not arrive.
    this.#transport.send({ type: "ack", pass_id: message.pass_id });
    const intent = this.#intents.get(message.event_id);
    // `expires_at` moves if the pass was extended after an outage.
    if (!intent || (intent.pass_id === message.pass_id && intent.expires_at === message.expires_at)) return;
    intent.pass_id = message.pass_id;
    intent.expires_at = message.expires_at;
    if (!this.#places.find(this.#userId, message.event_id)) this.#places.keep(this.#userId, message.event_id, {});
    this.emit("pass", message);
  }

  #onLeft(message: Message<"left">): void {
    if (!this.#pendingLeaves.delete(message.event_id)) this.finish(message.event_id);
    if (!this.#intents.has(message.event_id)) this.emit("left", message);
  }

  #onError(message: ServerMessages["error"]): void {
    const { code, ref } = message;
    if (code === "NOT_IN_QUEUE" && this.#pendingLeaves.has(ref!)) return this.#onLeft({ event_id: ref! });

    let then: NextAction = "none";
    const found = [...this.#intents].find(([id, { pass_id }]) => ref === id || ref === pass_id);
    if (found) {
      const [eventId, intent] = found;
      const isFull = code === "QUEUE_FULL" && this.#places.find(this.#userId, eventId)?.ticket !== undefined;
      if (RETRYABLE.includes(code) || isFull) {
        this.#scheduleJoin(eventId, intent);
        then = "retrying";
      } else {
        // A rejected acknowledgement: the join after the next reconnect delivers the pass again.
        if (ref !== eventId) return;
        this.finish(eventId);
        then = "gone";
      }
    }
    this.emit("error", { ...message, then });
  }

  #scheduleJoin(eventId: string, intent: JoinIntent): void {
    delete intent.pass_id;
    this.#cancelRetry(eventId);
    intent.timer = setTimeout(() => this.#sendJoin(eventId), backoffMs(intent.retries++, this.#random()));
  }

  #cancelRetry(eventId: string): void {
    clearTimeout(this.#intents.get(eventId)?.timer);
  }
}

/** The queue number in the ticket's claims; the ticket itself if it has none. */
function queueNumber(ticket: string): unknown {
  try {
    return decodeClaims(ticket)["num"] ?? ticket;
  } catch {
    return ticket;
  }
}
