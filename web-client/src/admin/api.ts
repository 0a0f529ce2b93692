// The operators' routes, typed, on top of the SDK's REST client; and the live metrics of an event.
import { Problem } from "../../sdk/problem";
import { Rest } from "../../sdk/rest";
import type { Field } from "../../sdk/schema";
import { ChangedMeanwhile, isUnauthorized } from "./problem";
import {
  type Appearance,
  type AppearancePatch,
  type AuditPage,
  type Changed,
  type EventSnapshot,
  type History,
  type NewEvent,
  type OperatorEvent,
  type Settings,
  type SettingsPatch,
  auditPage,
  changedAppearance,
  changedQueue,
  conflictResponse,
  currencies,
  eventSnapshot,
  historyResponse,
  inventoryStatus,
  liveResponse,
  operatorEvent,
  operatorEvents,
  rebuildReport,
  tokenResponse,
} from "./schemas";

const BASE = "/api/v1";
/** A stream without data for this long is dead: metrics arrive every second. */
const STREAM_TIMEOUT_MS = 6_000;
const RETRY_MS = 1_000;
/** How often a change that does not touch another operator's is tried again. */
const MAX_ATTEMPTS = 4;

/** What an operator has seen of a value when deciding to change it. */
export interface Seen<T> {
  revision: string;
  value: T;
}

/** The part of the history that a chart shows. */
export type HistoryRange = "15m" | "1h" | "6h";

export interface LiveObserver {
  onStart: (snapshot: EventSnapshot, history: History) => void;
  onUpdate: (snapshot: EventSnapshot) => void;
  /** The connection is lost; `onStart` follows when it is back. */
  onInterrupted: () => void;
}

export class Api {
  readonly #rest: Rest;
  readonly #token: () => string | undefined;
  readonly #onUnauthorized: () => void;

  /** `onUnauthorized` is called if the server rejects the token, also one that it accepted before. */
  constructor(token: () => string | undefined, onUnauthorized: () => void) {
    this.#rest = new Rest({ base: BASE, token });
    this.#token = token;
    this.#onUnauthorized = onUnauthorized;
  }

  /** An operator's token for development; the server responds with 404 unless it has development tokens. */
  async developmentToken(): Promise<string> {
    return (await this.#call("POST", "/dev/token", tokenResponse, { user: "operator", role: "admin" })).token;
  }

  async events(): Promise<OperatorEvent[]> {
    return (await this.#call("GET", "/admin/events", operatorEvents)).events;
  }

  /** Decimals of each currency's minor unit, by code. */
  async currencies(): Promise<Map<string, number>> {
    const list = (await this.#call("GET", "/admin/currencies", currencies)).currencies;
    return new Map(list.map(({ currency, currency_digits }) => [currency, currency_digits]));
  }

  create(event: NewEvent): Promise<OperatorEvent> {
    return this.#call("POST", "/admin/events", operatorEvent, event);
  }

  /** Rejects with `ChangedMeanwhile` if another operator has changed one of the settings of the patch since they were seen. */
  updateQueue(event: string, patch: SettingsPatch, seen: Seen<Settings>): Promise<Changed> {
    return this.#change(`/admin/events/${event}/queue`, changedQueue, patch, seen);
  }

  updateAppearance(event: string, patch: AppearancePatch, seen: Seen<Appearance>): Promise<{ appearance: Appearance; revision: string }> {
    return this.#change(`/admin/events/${event}/appearance`, changedAppearance, patch, seen);
  }

  /** Whatever the state was: for all sales at once there is no time to look at each. */
  async pause(event: string): Promise<void> {
    await this.#call("PUT", `/admin/events/${event}/queue`, changedQueue, { state: "paused" });
  }

  async history(event: string, range: HistoryRange): Promise<History> {
    return (await this.#call("GET", `/admin/events/${event}/live?range=${range}`, historyResponse)).history;
  }

  audit(event: string, limit: number, before?: number): Promise<AuditPage> {
    const page = before === undefined ? "" : `&before=${before}`;
    return this.#call("GET", `/admin/audit?event_id=${event}&limit=${limit}${page}`, auditPage);
  }

  async drift(event: string): Promise<number> {
    return (await this.#call("GET", `/admin/inventory-status?event_id=${event}`, inventoryStatus)).drift;
  }

  rebuildInventory(event: string): Promise<{ zones: number; holds: number; corrected: number }> {
    return this.#call("POST", "/admin/sync-inventory", rebuildReport, { event_id: event });
  }

  /** Follows an event's metrics, across reconnects, until `signal` aborts. */
  async followLive(event: string, observer: LiveObserver, signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      try {
        const { history, ...snapshot } = await this.#call("GET", `/admin/events/${event}/live`, liveResponse);
        if (signal.aborted) return;
        observer.onStart(snapshot, history);
        await this.#stream(event, observer, signal);
      } catch (error) {
        if (signal.aborted || (error instanceof Problem && (isUnauthorized(error) || error.status === 404))) return;
        observer.onInterrupted();
      }

      await new Promise((resolve) => setTimeout(resolve, RETRY_MS + Math.random() * RETRY_MS));
    }
  }

  async #stream(event: string, observer: LiveObserver, signal: AbortSignal): Promise<void> {
    const timedOut = new AbortController();
    let timer = setTimeout(() => timedOut.abort(), STREAM_TIMEOUT_MS);

    try {
      const path = `/admin/events/${event}/live/stream`;
      for await (const sent of this.#rest.events(path, AbortSignal.any([signal, timedOut.signal]))) {
        clearTimeout(timer);
        timer = setTimeout(() => timedOut.abort(), STREAM_TIMEOUT_MS);
        if (sent?.name === "live") observer.onUpdate(eventSnapshot(JSON.parse(sent.data), "live"));
      }
    } catch (error) {
      throw this.#reported(error);
    } finally {
      clearTimeout(timer);
    }
  }

  /** Changes a value that others may change, too: their changes of other fields are kept, those of the same fields are reported. */
  async #change<V extends object, T>(path: string, schema: Field<T>, patch: object, seen: Seen<V>): Promise<T> {
    let { revision } = seen;
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.#putIfMatch(path, schema, patch, revision);
      } catch (error) {
        const isOthers = error instanceof ChangedMeanwhile && !touches(patch, seen.value, error.conflict.current);
        if (!isOthers || attempt === MAX_ATTEMPTS) throw error;
        revision = error.conflict.revision;
      }
    }
  }

  async #putIfMatch<T>(path: string, schema: Field<T>, patch: object, revision: string): Promise<T> {
    let refusal: unknown;
    const reading: typeof fetch = async (input, init) => {
      const response = await fetch(input, init);
      if (response.status === 412) refusal = await response.clone().json().catch(() => undefined);
      return response;
    };

    const rest = new Rest({ base: BASE, token: this.#token, fetch: reading });
    try {
      return schema(await rest.call("PUT", path, patch, { "If-Match": `"${revision}"` }), `PUT ${path}`);
    } catch (error) {
      if (!(error instanceof Problem && error.code === "PRECONDITION_FAILED")) throw this.#reported(error);
      throw new ChangedMeanwhile(error, conflictResponse(refusal, `PUT ${path}`).conflict);
    }
  }

  async #call<T>(method: string, path: string, schema: Field<T>, body?: object): Promise<T> {
    const response = await this.#rest.call(method, path, body).catch((error: unknown) => {
      throw this.#reported(error);
    });
    return schema(response, `${method} ${path}`);
  }

  #reported(error: unknown): unknown {
    if (error instanceof Problem && isUnauthorized(error)) this.#onUnauthorized();
    return error;
  }
}

/** True if a field of the patch was changed since it was seen, and not to the value of the patch. */
function touches(patch: object, seen: object, current: object): boolean {
  const of = (value: object, name: string) => {
    const found = (value as Record<string, unknown>)[name] ?? "";
    // An open sale is in force as sold out once all seats are.
    return name === "state" && found === "sold_out" ? "open" : found;
  };
  return Object.keys(patch).some((name) => of(current, name) !== of(seen, name) && of(current, name) !== of(patch, name));
}
