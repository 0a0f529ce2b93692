// The operators' routes, typed, on top of the SDK's REST client; and the live metrics of an event.
import { Problem } from "../../sdk/problem";
import { Rest } from "../../sdk/rest";
import type { Field } from "../../sdk/schema";
import { isUnauthorized } from "./problem";
import {
  type AppearancePatch,
  type AuditPage,
  type EventSnapshot,
  type History,
  type NewEvent,
  type OperatorEvent,
  type SettingsPatch,
  auditPage,
  currencies,
  eventSnapshot,
  ignored,
  inventoryStatus,
  liveResponse,
  operatorEvent,
  operatorEvents,
  rebuildReport,
  tokenResponse,
} from "./schemas";

/** A stream without data for this long is dead: metrics arrive every second. */
const STREAM_TIMEOUT_MS = 20_000;
const RETRY_MS = 1_000;

export interface LiveObserver {
  onStart: (snapshot: EventSnapshot, history: History) => void;
  onUpdate: (snapshot: EventSnapshot) => void;
  /** The connection is lost; `onStart` follows when it is back. */
  onInterrupted: () => void;
}

export class Api {
  readonly #rest: Rest;
  readonly #onUnauthorized: () => void;

  /** `onUnauthorized` is called if the server rejects the token, also one that it accepted before. */
  constructor(token: () => string | undefined, onUnauthorized: () => void) {
    this.#rest = new Rest({ base: "/api/v1", token });
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

  async updateQueue(event: string, patch: SettingsPatch): Promise<void> {
    await this.#call("PUT", `/admin/events/${event}/queue`, ignored, patch);
  }

  async updateAppearance(event: string, patch: AppearancePatch): Promise<void> {
    await this.#call("PUT", `/admin/events/${event}/appearance`, ignored, patch);
  }

  audit(event: string, before?: number): Promise<AuditPage> {
    const page = before === undefined ? "" : `&before=${before}`;
    return this.#call("GET", `/admin/audit?event_id=${event}&limit=10${page}`, auditPage);
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
