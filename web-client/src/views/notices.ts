// What the user must know at every stage: the connection, the state of the sale, the last failure.
import { named, write } from "../element";
import { type State, chosen } from "../state";
import { saleStates } from "../wording";

export function noticesView(): (state: State) => void {
  const connection = named("connection");
  return (state) => {
    const inLine = state.stage.at === "waiting" || state.stage.at === "shopping";
    connection.dataset.state = state.connection.state;
    // While it connects again, the words stay as they are: no flicker between attempts.
    if (state.connection.state === "reconnecting" && inLine) write(connection, "Reconnecting. Your place is kept.");
    else if (state.connection.state !== "connecting" || !inLine) write(connection, "");

    const event = chosen(state);
    const remarkable = inLine && event && (event.message || event.state !== "open");
    write(named("notice"), remarkable ? (event.message || saleStates[event.state]) : "");
    write(named("error"), state.error);
  };
}
