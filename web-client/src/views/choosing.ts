// The list of events, and the button that joins a line.
import type { EventSummary, SaleState } from "../../sdk";
import { create, named, write } from "../element";
import type { Journey } from "../journey";
import { type State, chosen } from "../state";
import { saleStates } from "../wording";

/** Without a line to join. */
const SHUT: SaleState[] = ["scheduled", "closed"];

export function choosingView(journey: Journey): (state: State) => void {
  const list = named("event-list");
  const form = named<HTMLFormElement>("join-form");
  const button = form.querySelector("button")!;
  let drawn = "";

  form.addEventListener("submit", (submit) => {
    submit.preventDefault();
    void journey.join();
  });
  list.addEventListener("change", (change) => journey.choose((change.target as HTMLInputElement).value));

  return (state) => {
    const ids = state.events.map((event) => event.event_id).join();
    if (ids !== drawn) list.replaceChildren(list.querySelector("legend")!, ...state.events.map(option));
    drawn = ids;
    for (const event of state.events) update(list, event, event.event_id === state.eventId);
    list.hidden = state.events.length === 0;
    named("no-events").hidden = state.events.length > 0;
    const event = chosen(state);
    button.hidden = state.events.length === 0;
    button.disabled = state.busy || !event || SHUT.includes(event.state);
  };
}

function option({ event_id, name }: EventSummary): HTMLElement {
  const input = create("input", { type: "radio", name: "event", value: event_id, "data-testid": "event" });
  return create("label", { class: "option" }, input, create("span", {}, name), create("small", {}));
}

function update(list: HTMLElement, event: EventSummary, selected: boolean): void {
  const input = [...list.querySelectorAll("input")].find(({ value }) => value === event.event_id);
  if (!input) return;
  if (input.checked !== selected) input.checked = selected;
  write(input.parentElement!.querySelector("small")!, event.message || saleStates[event.state]);
}
