// Where users of shops without guests hand in their token.
import { named } from "../element";
import type { Journey } from "../journey";
import type { State } from "../state";

export function identifyView(journey: Journey): (state: State) => void {
  const form = named<HTMLFormElement>("identify-form");
  const field = named<HTMLTextAreaElement>("token");
  form.addEventListener("submit", (submit) => {
    submit.preventDefault();
    void journey.identify(field.value);
  });
  return (state) => {
    form.querySelector("button")!.disabled = state.busy;
    if (state.stage.at !== "identify") field.value = "";
  };
}
