// A test double of the whole server for tests of views: it admits one guest and speaks over fake sockets.
import { vi } from "vitest";
import { FakeSocket } from "./fake-socket";

export const event_id = "0197a4b2-5c1e-7d3a-9f00-2b8c6d4e1a01";
const guest = { token: "t", user_id: "guest-1", expires_at: "2096-01-01T00:00:00Z" };

export class FakeServer {
  requests: string[] = [];
  /** False: guests are not admitted. */
  admitsGuests = true;

  /** In place of the page's `fetch` and `WebSocket`, until `vi.unstubAllGlobals`. */
  constructor() {
    FakeSocket.all = [];
    localStorage.clear();
    vi.stubGlobal("WebSocket", FakeSocket);
    vi.stubGlobal("fetch", async (url: string, { method }: RequestInit) => {
      this.requests.push(`${method} ${new URL(url).pathname}`);
      const problem = { type: "urn:stanchion:problem:not-found", status: 404, code: "NOT_FOUND", detail: "" };
      return this.admitsGuests ? Response.json(guest, { status: 201 }) : Response.json(problem, { status: 404 });
    });
  }

  queued(position: number): void {
    FakeSocket.last.accept(10_000, "guest-1");
    FakeSocket.last.deliver({ type: "queued", event_id, ticket: "ticket-1", position, total_in_queue: 9, estimated_wait_seconds: 150 });
  }

  pass(): void {
    const expires_at = new Date(Date.now() + 300_000).toISOString();
    FakeSocket.last.deliver({ type: "pass", event_id, pass_id: "p", queue_pass: "jwt", expires_at });
  }

  /** The messages of the last socket after `connect`. */
  get sent() {
    return FakeSocket.last.sent.slice(1);
  }

  /** Sockets that the client has not closed. */
  get open(): FakeSocket[] {
    return FakeSocket.all.filter(({ closedWith }) => closedWith === undefined);
  }
}
