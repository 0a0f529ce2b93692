// The sale under test. An operator's token gives each test an event of its own, paused until the test opens it;
// without one (no development tokens here, no STANCHION_ADMIN_TOKEN) the server's first open event is used as it is.

export const origin = process.env.STANCHION_URL ?? "http://localhost:8080";

const api = new URL("/api/v1/", origin);

async function call(method, path, body, token) {
  const response = await fetch(new URL(path, api), {
    method,
    headers: { "Content-Type": "application/json", ...(token ? { Authorization: `Bearer ${token}` } : {}) },
    ...(body ? { body: JSON.stringify(body) } : {}),
    signal: AbortSignal.timeout(10_000),
  });
  if (response.status === 404) return undefined;
  if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${await response.text()}`);
  return response.json();
}

const developmentToken = async (user, role) => (await call("POST", "dev/token", { user, role }))?.token;

/** `ahead` users are in line before the browser's. */
export async function openSale(name, ahead) {
  const operator = process.env.STANCHION_ADMIN_TOKEN ?? (await developmentToken("operator", "admin"));
  if (!operator) return { event_id: await anyOpenEvent(), ahead: 0, owned: false, open: async () => {}, pause: async () => {} };

  const { event_id } = await call(
    "POST",
    "admin/events",
    {
      name,
      currency: "EUR",
      queue: { state: "paused", rate_per_second: 2, max_active: 100 },
      shows: [
        {
          name: "Evening",
          starts_at: "2030-05-01T18:00:00Z",
          zones: [
            { name: "Floor", capacity: 50, unit_price: 12_500 },
            { name: "Balcony", capacity: 50, unit_price: 8_900 },
          ],
        },
      ],
    },
    operator,
  );
  const inLine = await joinLine(event_id, ahead);
  const turn = (state) => call("PUT", `admin/events/${event_id}/queue`, { state }, operator);
  return { event_id, ahead: inLine, owned: true, open: () => turn("open"), pause: () => turn("paused") };
}

async function anyOpenEvent() {
  const { events } = await call("GET", "events");
  const open = events.find(({ state }) => state === "open");
  if (!open) throw new Error("no event is open, and no operator's token to make one");
  return open.event_id;
}

/** Guests or development users; answers how many found a place. */
async function joinLine(event_id, count) {
  for (let number = 0; number < count; number++) {
    const token = (await call("POST", "guest"))?.token ?? (await developmentToken(`ahead-${number}-${event_id}`));
    if (!token) return number;
    await call("POST", "queue/join", { event_id }, token);
  }
  return count;
}
