// The sale under test: each test has an event of its own, made by an operator, paused until the test opens it.

export const origin = process.env.STANCHION_URL ?? "http://localhost:8080";

/** What a test and an operator may ask of a server. */
export class Server {
  #operator;

  constructor(url = origin) {
    this.origin = url;
  }

  async call(method, path, body, token) {
    const response = await fetch(new URL(`/api/v1/${path}`, this.origin), {
      method,
      headers: { "Content-Type": "application/json", ...(token ? { Authorization: `Bearer ${token}` } : {}) },
      ...(body ? { body: JSON.stringify(body) } : {}),
      signal: AbortSignal.timeout(10_000),
    });
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${await response.text()}`);
    return response.json();
  }

  async operator() {
    this.#operator ??= (await this.call("POST", "dev/token", { user: "operator", role: "admin" })).token;
    return this.#operator;
  }

  async guest() {
    return (await this.call("POST", "guest")).token;
  }

  /** The value of a metric, over all its labels. */
  async metric(name) {
    const text = await (await fetch(new URL("/metrics", this.origin))).text();
    const lines = text.split("\n").filter((line) => line.startsWith(`${name} `) || line.startsWith(`${name}{`));
    return lines.reduce((sum, line) => sum + Number(line.split(" ").at(-1)), 0);
  }

  /** `ahead` and `behind` are guests who take their places before and after whoever `joined` says has joined. */
  async openSale(name, { ahead = 0, queue = {}, zones = ZONES, ...event } = {}) {
    const settings = { state: "paused", rate_per_second: 2, max_active: 100, ...queue };
    const shows = [
      { name: "Friday evening", starts_at: "2030-05-03T18:00:00Z", zones },
      { name: "Saturday evening", starts_at: "2030-05-04T18:00:00Z", zones },
    ].slice(0, event.shows ?? 1);
    const body = { name, currency: "EUR", max_seats_per_user: 4, ...event, queue: settings, shows };
    const { event_id } = await this.call("POST", "admin/events", body, await this.operator());
    const sale = new Sale(this, event_id);
    await sale.takePlaces(ahead);
    return sale;
  }
}

const ZONES = [
  { name: "Floor", capacity: 50, unit_price: 12_500 },
  { name: "Balcony", capacity: 120, unit_price: 8_900 },
  { name: "Gallery", capacity: 80, unit_price: 4_500 },
];

class Sale {
  constructor(server, event_id) {
    this.server = server;
    this.event_id = event_id;
    this.path = `/e/${event_id}`;
  }

  async takePlaces(count) {
    for (let number = 0; number < count; number++) {
      await this.server.call("POST", "queue/join", { event_id: this.event_id }, await this.server.guest());
    }
  }

  async set(settings) {
    await this.server.call("PUT", `admin/events/${this.event_id}/queue`, settings, await this.server.operator());
  }

  async dress(appearance) {
    await this.server.call("PUT", `admin/events/${this.event_id}/appearance`, appearance, await this.server.operator());
  }

  open() {
    return this.set({ state: "open" });
  }
}
