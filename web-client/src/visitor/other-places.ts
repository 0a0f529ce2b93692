// The visitor's places in the queues of other events than the page shows: read by polling, which also keeps the visitor present.
import { type Place, Problem } from "@stanchion/client";
import type { Dependencies } from "./dependencies";

const KEY = "stanchion.place.";
/** Number of characters of an event's id. */
const ID_LENGTH = 36;
/** A visitor waits for one or two events; more would only add requests. */
const MAX_PLACES = 3;

/** A place in line, or a pass until `passUntil`. */
export interface OtherPlace {
  eventId: string;
  name: string;
  position: number;
  passUntil?: string;
}

export class OtherPlaces {
  readonly #deps: Dependencies;
  readonly #names = new Map<string, string>();

  constructor(deps: Dependencies) {
    this.#deps = deps;
  }

  /** Places that the server knows, except that of the event of this page. */
  async read(shown: string | undefined): Promise<OtherPlace[]> {
    const places = await Promise.all(this.#stored(shown).map((eventId) => this.#readOne(eventId)));
    return places.filter((place) => place !== undefined);
  }

  #stored(shown: string | undefined): string[] {
    const userId = this.#deps.identities.current()?.user_id;
    if (userId === undefined) return [];
    const suffix = `.${userId}`;
    const keys = this.#deps.storage.keys().filter((key) => key.startsWith(KEY) && key.slice(KEY.length + ID_LENGTH) === suffix);
    const eventIds = keys.map((key) => key.slice(KEY.length, KEY.length + ID_LENGTH));
    return eventIds.filter((eventId) => eventId !== shown).slice(0, MAX_PLACES);
  }

  /** Undefined if the place is gone; the event's own page decides what follows from that. */
  async #readOne(eventId: string): Promise<OtherPlace | undefined> {
    try {
      const place = await this.#deps.rest.place(eventId);
      return describe(place, await this.#name(eventId));
    } catch (error) {
      if (error instanceof Problem && error.status === 404) return undefined;
      throw error;
    }
  }

  async #name(eventId: string): Promise<string> {
    const name = this.#names.get(eventId) ?? (await this.#deps.shop.event(eventId)).name;
    this.#names.set(eventId, name);
    return name;
  }
}

function describe({ event_id, position, is_ready, queue_pass_expires_at }: Place, name: string): OtherPlace {
  const pass = is_ready && queue_pass_expires_at;
  return { eventId: event_id, name, position, ...(pass && { passUntil: pass }) };
}
