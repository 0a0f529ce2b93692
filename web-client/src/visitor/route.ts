// The page for a path. Links load a new document; only the two paths of one event change without a load.

export type Page = "events" | "event" | "bookings";

export interface Route {
  page: Page;
  eventId?: string;
}

export function routeOf({ pathname, search }: Pick<Location, "pathname" | "search">): Route {
  const [first, second] = pathname.split("/").filter(Boolean);
  if (first === "bookings") return { page: "bookings" };
  const eventId = first === "e" ? second : new URLSearchParams(search).get("event");
  return eventId ? { page: "event", eventId: decodeURIComponent(eventId) } : { page: "events" };
}

export function eventPath(eventId: string, seats = false): string {
  return `/e/${encodeURIComponent(eventId)}${seats ? "/seats" : ""}`;
}
