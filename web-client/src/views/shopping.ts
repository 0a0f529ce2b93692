// Shows and zones with price and what is left, and the order.
import type { EventDetail, Rest, Show, Zone } from "../../sdk";
import { Countdown } from "../countdown";
import { create, named, write } from "../element";
import type { Journey } from "../journey";
import type { State } from "../state";
import { money, whole } from "../wording";

/** The contract's limit for one reservation. */
const MOST_SEATS = 10;

export function shoppingView(journey: Journey, rest: Rest): (state: State) => void {
  const form = named<HTMLFormElement>("reserve-form");
  const shows = named("shows");
  const quantity = named<HTMLInputElement>("quantity");
  const countdown = new Countdown(named("pass-left"), () => rest.now(), () => journey.line.gone("Your turn has run out. You can join the line again."));
  let drawn = "";

  const selected = () => shows.querySelector<HTMLInputElement>("input:checked");
  const showTotal = () => {
    const zone = zonesOf(journey.state.catalogue).find(({ zone_id }) => zone_id === selected()?.value);
    write(named("order-total"), zone ? money(zone.unit_price * quantity.valueAsNumber || 0, zone.currency) : "");
  };
  form.addEventListener("input", showTotal);
  form.addEventListener("submit", (submit) => {
    submit.preventDefault();
    const zone = selected();
    if (!zone) return;
    void journey.purchase.reserve({ show_id: zone.dataset.show!, zone_id: zone.value, quantity: quantity.valueAsNumber });
  });

  return ({ stage, catalogue, busy }) => {
    countdown.until(stage.at === "shopping" ? stage.pass.expires_at : undefined);
    form.querySelector("button")!.disabled = busy || !catalogue;
    if (!catalogue) return;
    quantity.max = String(Math.min(MOST_SEATS, catalogue.max_seats_per_user));
    const zones = zonesOf(catalogue);
    const ids = zones.map(({ zone_id }) => zone_id).join();
    if (ids !== drawn) shows.replaceChildren(...catalogue.shows.map(showFields));
    drawn = ids;
    for (const zone of zones) updateZone(shows, zone);
    showTotal();
  };
}

function zonesOf(catalogue: EventDetail | undefined): Zone[] {
  return catalogue?.shows.flatMap(({ zones }) => zones) ?? [];
}

function showFields({ show_id, name, starts_at, zones }: Show): HTMLElement {
  const when = starts_at === undefined ? "" : new Date(starts_at).toLocaleString(undefined, { dateStyle: "medium", timeStyle: "short" });
  const legend = create("legend", {}, name, " ", create("small", {}, when));
  return create("fieldset", {}, legend, ...zones.map((zone) => zoneOption(show_id, zone)));
}

function zoneOption(showId: string, { zone_id, name, unit_price, currency }: Zone): HTMLElement {
  const input = create("input", {
    type: "radio",
    name: "zone",
    value: zone_id,
    required: "",
    "data-show": showId,
    "data-testid": "zone",
  });
  const price = create("span", { class: "price" }, money(unit_price, currency));
  return create("label", { class: "option" }, input, create("span", {}, name), price, create("small", {}));
}

function updateZone(shows: HTMLElement, { zone_id, available }: Zone): void {
  const input = [...shows.querySelectorAll("input")].find(({ value }) => value === zone_id);
  if (!input) return;
  write(input.parentElement!.querySelector("small")!, available > 0 ? `${whole(available)} left` : "Sold out");
  input.disabled = available === 0;
  if (input.disabled) input.checked = false;
}
