// A user's places in lines, over one connection: joins and re-joins with the ticket, acknowledges passes, and
// never shows a position that grew.
import { backoffMs } from "./backoff";
import { Emitter } from "./emitter";
import type { ConnectionState, Link } from "./link";
import type { ClientMessages, ServerMessage, ServerMessages } from "./messages";
import type { Places } from "./places";

type Message<Type extends keyof ServerMessages> = Omit<ServerMessages[Type], "type">;

/** `position` as shown: never above one shown before for the same ticket. `first` is where the user started. */
export type Position = Message<"position"> & { first: number };

export interface WaitingRoomEvents {
  connection: ConnectionState;
  position: Position;
  /** Once per pass, however often it is delivered. */
  pass: Message<"pass">;
  reserved: Message<"reserved">;
  left: Message<"left">;
  event: Message<"event">;
  error: Message<"error"> & { then: Consequence };
}

/**
 * What an error means for the place that it is about: `gone` - this client has stopped asking for it; `retrying` - it is
 * asked for again in a moment; `none` - the error is about something else.
 */
export type Consequence = "gone" | "retrying" | "none";

/** What to hold when the turn comes: the first that fits. */
export type Wish = NonNullable<ClientMessages["join"]["wish"]>;
export type Reservation = Omit<ClientMessages["reserve"], "type">;

interface Wanted {
  wish: Wish | undefined;
  refusals: number;
  pass_id?: string;
  expires_at?: string;
  retry?: ReturnType<typeof setTimeout>;
}

/** Refusals that leave the place as it is: it is asked for again. A pass that is taken back unclaimed leaves the ticket. */
const PASSING = new Set(["RATE_LIMITED", "UNAVAILABLE", "INTERNAL", "PASS_REVOKED", "TOKEN_EXPIRED"]);

export class WaitingRoom extends Emitter<WaitingRoomEvents> {
  readonly #connection: Link;
  readonly #places: Places;
  readonly #random: () => number;
  readonly #wanted = new Map<string, Wanted>();
  /** Leaves without an answer yet: said again after a reconnect, and their answer must not end a later join. */
  readonly #leaving = new Set<string>();
  #userId = "";

  constructor(connection: Link, places: Places, random: () => number = Math.random) {
    super();
    this.#connection = connection;
    this.#places = places;
    this.#random = random;
    connection.on("state", (state) => this.emit("connection", state));
    connection.on("connected", (message) => this.#resume(message.user_id));
    connection.on("message", (message) => this.#receive(message));
  }

  /**
   * Takes a place, or takes it again after a reload. Stays in force over every reconnect until `leave` or `finish`. A wish
   * replaces the one before; without one the last is kept.
   */
  join(eventId: string, wish?: Wish): void {
    this.#stopRetry(eventId);
    if (this.#connection.current.state !== "connected") this.#leaving.delete(eventId);
    this.#wanted.set(eventId, { wish, refusals: 0 });
    this.#connection.open();
    this.#sendJoin(eventId);
  }

  /** Gives the place up. */
  leave(eventId: string): void {
    this.finish(eventId);
    this.#leaving.add(eventId);
    this.#connection.send({ type: "leave", event_id: eventId });
    this.#connection.open();
  }

  /** Forgets the place without giving it up: it has served its purpose, or it is gone. */
  finish(eventId: string): void {
    this.#stopRetry(eventId);
    this.#wanted.delete(eventId);
    this.#places.forget(this.#userId, eventId);
  }

  /** Answered by `reserved` or `error` whose `ref` is the idempotency key; false when there is no connection. */
  reserve(reservation: Reservation): boolean {
    return this.#connection.send({ type: "reserve", ...reservation });
  }

  #resume(userId: string): void {
    this.#userId = userId;
    for (const eventId of this.#wanted.keys()) this.#leaving.delete(eventId);
    for (const eventId of this.#leaving) this.#connection.send({ type: "leave", event_id: eventId });
    for (const eventId of this.#wanted.keys()) this.#sendJoin(eventId);
  }

  #sendJoin(eventId: string): void {
    const wanted = this.#wanted.get(eventId);
    if (!wanted) return;
    const known = this.#places.find(this.#userId, eventId);
    const wish = wanted.wish ?? known?.wish;
    if (known) this.#places.keep(this.#userId, eventId, { ...known, wish });
    this.#connection.send({ type: "join", event_id: eventId, ticket: known?.ticket, position: known?.position, wish });
  }

  #receive(message: ServerMessage): void {
    switch (message.type) {
      case "queued":
        return this.#queued(message);
      case "position":
        return this.#position(message);
      case "pass":
        return this.#pass(message);
      case "left":
        return this.#left(message);
      case "error":
        return this.#error(message);
      case "reserved":
        return this.emit("reserved", message);
      case "event":
        return this.emit("event", message);
    }
  }

  #queued({ ticket, ...place }: ServerMessages["queued"]): void {
    const wanted = this.#wanted.get(place.event_id);
    if (!wanted) return;
    wanted.refusals = 0;
    const known = this.#places.find(this.#userId, place.event_id);
    const wish = wanted.wish ?? known?.wish;
    if (known?.ticket !== ticket) {
      // Another number is another place, with a position of its own; the same in a line that began anew is not.
      const before = known?.ticket !== undefined && numberOf(known.ticket) === numberOf(ticket) ? known : {};
      this.#places.keep(this.#userId, place.event_id, { ...before, ticket, wish });
    }
    this.#position(place);
  }

  #position(place: Message<"position">): void {
    if (!this.#wanted.has(place.event_id)) return;
    const known = this.#places.find(this.#userId, place.event_id);
    const position = Math.min(place.position, known?.position ?? Infinity);
    const first = known?.first ?? position;
    if (known && known.position !== position) {
      this.#places.keep(this.#userId, place.event_id, { ...known, first, position });
    }
    this.emit("position", { ...place, position, first });
  }

  #pass(message: ServerMessages["pass"]): void {
    // Acknowledged each time: that it comes again means that the last acknowledgement did not arrive.
    this.#connection.send({ type: "ack", pass_id: message.pass_id });
    const wanted = this.#wanted.get(message.event_id);
    // Its end moves where time stood still for it.
    if (!wanted || (wanted.pass_id === message.pass_id && wanted.expires_at === message.expires_at)) return;
    wanted.pass_id = message.pass_id;
    wanted.expires_at = message.expires_at;
    if (!this.#places.find(this.#userId, message.event_id)) this.#places.keep(this.#userId, message.event_id, {});
    this.emit("pass", message);
  }

  #left(message: Message<"left">): void {
    if (!this.#leaving.delete(message.event_id)) this.finish(message.event_id);
    if (!this.#wanted.has(message.event_id)) this.emit("left", message);
  }

  #error(message: ServerMessages["error"]): void {
    if (message.code === "NOT_IN_QUEUE" && message.ref !== undefined && this.#leaving.has(message.ref)) {
      return this.#left({ event_id: message.ref });
    }
    const found = [...this.#wanted].find(([id, { pass_id }]) => message.ref === id || message.ref === pass_id);
    if (!found) return this.emit("error", { ...message, then: "none" });
    const [eventId, wanted] = found;
    const ticket = this.#places.find(this.#userId, eventId)?.ticket;
    const full = message.code === "QUEUE_FULL" && ticket !== undefined;
    if (PASSING.has(message.code) || full) {
      this.#joinLater(eventId, wanted);
      return this.emit("error", { ...message, then: "retrying" });
    }
    // A refused acknowledgement: joining again on the next resume brings the pass again.
    if (message.ref !== eventId) return;
    this.finish(eventId);
    this.emit("error", { ...message, then: "gone" });
  }

  #joinLater(eventId: string, wanted: Wanted): void {
    delete wanted.pass_id;
    this.#stopRetry(eventId);
    wanted.retry = setTimeout(() => this.#sendJoin(eventId), backoffMs(wanted.refusals++, this.#random()));
  }

  #stopRetry(eventId: string): void {
    clearTimeout(this.#wanted.get(eventId)?.retry);
  }
}

/** The number in line that a ticket tells; the ticket itself where it tells none. */
function numberOf(ticket: string): unknown {
  try {
    const claims = ticket.split(".")[1]!.replaceAll("-", "+").replaceAll("_", "/");
    return (JSON.parse(atob(claims)) as { num?: unknown }).num ?? ticket;
  } catch {
    return ticket;
  }
}
