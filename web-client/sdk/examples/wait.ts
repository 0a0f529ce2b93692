import { createClient } from "@stanchion/client";

export async function wait(eventId: string, show: (text: string) => void) {
  const stanchion = createClient(); // the page's own origin
  if (stanchion.store.inMemory) show("keep this page open: a reload loses your place");
  stanchion.room.on("position", ({ position, total_in_queue }) => show(`${position} of ${total_in_queue}`));
  stanchion.room.on("pass", ({ expires_at }) => show(`your turn, until ${expires_at}`));
  stanchion.room.on("connection", ({ state }) => show(state));
  stanchion.room.on("error", ({ code, then }) => show(then === "gone" ? `no place: ${code}` : code));

  await stanchion.guest(); // or stanchion.signIn(token)
  stanchion.room.join(eventId);
  return stanchion; // close() it when the view ends
}
