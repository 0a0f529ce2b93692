// The frame: which section is visible, the page's title, where the focus goes, and the leave button.
import { named, write } from "../element";
import type { Journey } from "../journey";
import { type Stage, type State, chosen } from "../state";

const SECTIONS: Stage["at"][] = ["starting", "identify", "choosing", "waiting", "shopping", "booking"];

export function pageView(journey: Journey): (state: State) => void {
  let shown: Stage["at"] = "starting";
  named("leave").addEventListener("click", () => journey.line.leave());

  return (state) => {
    const { at } = state.stage;
    for (const section of SECTIONS) named(section).hidden = section !== at;
    named("leave-row").hidden = at !== "waiting" && at !== "shopping";
    write(named("event-name"), (at !== "choosing" && chosen(state)?.name) || "Waiting room");
    document.title = title(state);
    if (at === shown) return;
    // After the first screen a change of stage moves the focus, so that a screen reader starts at the new heading.
    if (shown !== "starting") named(at).querySelector<HTMLElement>("h2")?.focus();
    shown = at;
  };
}

/** Seen in the tab while the user does something else. */
function title(state: State): string {
  const name = chosen(state)?.name ?? "Waiting room";
  switch (state.stage.at) {
    case "waiting":
      return state.stage.position ? `${state.stage.position.position} · ${name}` : name;
    case "shopping":
      return `It is your turn · ${name}`;
    default:
      return name;
  }
}
