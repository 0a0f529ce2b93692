// The place in line.
import { named, write } from "../element";
import { type State, chosen } from "../state";
import { estimate, waitReasons, whole } from "../wording";

export function waitingView(): (state: State) => void {
  const progress = named<HTMLProgressElement>("progress");
  return (state) => {
    const { stage } = state;
    const paused = chosen(state)?.state === "paused";
    const position = stage.at === "waiting" ? stage.position : undefined;
    write(named("position"), position ? whole(position.position) : "…");
    write(named("total"), position ? whole(Math.max(position.total_in_queue, position.position)) : "…");
    write(named("wait"), paused ? "until the sale goes on" : position ? estimate(position.estimated_wait_seconds) : "…");
    write(named("seats-left"), position?.seats_left === undefined ? "" : `Seats left: ${whole(position.seats_left)}`);
    write(named("reason"), waitReasons[position?.reason ?? ""] ?? "");
    if (!position) return progress.removeAttribute("value");
    progress.value = position.first > 0 ? 1 - position.position / position.first : 1;
  };
}
