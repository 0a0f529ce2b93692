// The web component `<stanchion-waiting-room event="…">`: a waiting room for pages without a framework. Importing this module defines it.
import type { Client } from "./client";
import { type RoomTexts, texts } from "./element-texts";
import { type FollowedRoom, type RoomState, followRoom, initialRoomState } from "./room-state";
import type { SeatPreferences } from "./waiting-room";

export type { RoomTexts } from "./element-texts";
export type { RoomStage, RoomState } from "./room-state";

export const TAG = "stanchion-waiting-room";

const STYLE = `
:host { display: block; text-align: center; font: inherit; }
:host([hidden]), [hidden] { display: none; }
h2 { margin: 0; font-size: 1.25em; }
p { margin: 0.5em 0; }
[part=number] { display: block; font-size: 3em; font-weight: 700; line-height: 1.2; font-variant-numeric: tabular-nums; }
[part=actions] { margin-top: 1em; }
button { font: inherit; min-height: 44px; padding: 0 1em; margin: 0.25em; cursor: pointer; }
`;

// A server may import the module: there, the class is of no use, but does not throw.
const Base = (globalThis.HTMLElement ?? class {}) as typeof HTMLElement;

/**
 * Attributes: `event` (required), `origin`, `token`, `lang`. Slots: `turn` is shown during the visitor's turn. Parts for styles:
 * `heading`, `number`, `position`, `wait`, `notice`, `warning`, `time`, `actions`, `leave`.
 *
 * Events, each with a `detail`: `state` on each change, `pass` and `left` as those of the room. They bubble.
 */
export class StanchionWaitingRoom extends Base {
  static readonly observedAttributes = ["event", "origin", "token", "lang"];
  /** By language; a shop may add languages and change sentences. */
  static readonly texts: Record<string, RoomTexts> = texts;

  #client: Client | undefined;
  #state: RoomState = initialRoomState;
  #followed: FollowedRoom | undefined;
  /** The inputs of the followed room. */
  #followedInputs = "";
  #isUpdateDue = false;
  #asksToLeave = false;
  #countdown: ReturnType<typeof setInterval> | undefined;

  /** A client that the page shares and closes; without it, the element has one of its own. Set it before the element is connected. */
  get client(): Client | undefined {
    return this.#client;
  }
  set client(client: Client | undefined) {
    this.#client = client;
    this.#followedInputs = "";
    this.#scheduleUpdate();
  }

  get state(): RoomState {
    return this.#state;
  }

  leave(): void {
    this.#followed?.leave();
  }

  prefer(preferences: SeatPreferences): void {
    this.#followed?.prefer(preferences);
  }

  finish(): void {
    this.#followed?.finish();
  }

  connectedCallback(): void {
    this.#scheduleUpdate();
  }

  disconnectedCallback(): void {
    this.#scheduleUpdate();
  }

  attributeChangedCallback(): void {
    this.#scheduleUpdate();
  }

  /** One update for all changes of a task: an element that moves within the document, for example, keeps its connection. */
  #scheduleUpdate(): void {
    if (this.#isUpdateDue) return;
    this.#isUpdateDue = true;
    queueMicrotask(() => {
      this.#isUpdateDue = false;
      this.#update();
    });
  }

  #update(): void {
    const [event, origin, token] = ["event", "origin", "token"].map((name) => this.getAttribute(name) ?? undefined);
    const inputs = this.isConnected && event ? JSON.stringify([event, origin, token]) : "";
    if (inputs !== this.#followedInputs || !inputs) {
      this.#followed?.close();
      this.#followed = undefined;
      this.#state = initialRoomState;
    }
    this.#followedInputs = inputs;
    if (inputs && !this.#followed) {
      this.#followed = followRoom(event!, { client: this.#client, origin, token }, (state) => this.#onState(state));
    }
    if (this.isConnected) this.#render();
    else clearInterval(this.#countdown);
  }

  #onState(state: RoomState): void {
    const before = this.#state;
    this.#state = state;
    this.#render();
    this.#report("state", state);
    if (state.pass && state.pass !== before.pass) this.#report("pass", state.pass);
    if (state.stage === "left" && before.stage !== "left") this.#report("left", { event_id: this.getAttribute("event")! });
  }

  #report(name: string, detail: unknown): void {
    this.dispatchEvent(new CustomEvent(name, { detail, bubbles: true, composed: true }));
  }

  get #language(): string {
    const wanted = this.closest<HTMLElement>("[lang]")?.lang || navigator.language || "en";
    return this.#texts[wanted] ? wanted : wanted.split("-")[0]!;
  }

  get #texts(): Record<string, RoomTexts> {
    return (this.constructor as typeof StanchionWaitingRoom).texts;
  }

  #render(): void {
    const root = this.shadowRoot ?? this.#createRoot();
    const language = this.#language;
    const text = this.#texts[language] ?? this.#texts["en"]!;
    const { stage, position, pass, sale, connection, error, inMemory } = this.#state;
    const isInLine = stage === "joining" || stage === "waiting" || stage === "turn";
    if (stage !== "waiting") this.#asksToLeave = false;

    const isLost = isInLine && connection.state === "reconnecting";
    const notice = isLost ? text.lost : stage === "joining" && error ? text.retrying : sale?.state === "paused" && stage === "waiting" ? text.paused : "";
    const heading = stage === "refused" && sale?.state === "closed" ? text.closed : text[stage];

    this.dataset["stage"] = stage;
    show(root, "heading", heading);
    show(root, "label", position && stage === "waiting" ? text.position : "");
    show(root, "number", position && stage === "waiting" ? new Intl.NumberFormat(language).format(position.position) : "");
    show(root, "wait", position && stage === "waiting" ? waitText(position, text, language) : "");
    show(root, "notice", notice);
    show(root, "warning", inMemory && isInLine ? text.inMemory : "");
    show(root, "leave", stage === "waiting" && !this.#asksToLeave ? text.leave : "");
    for (const part of ["leaveQuestion", "leaveConfirm", "leaveCancel"] as const) show(root, part, this.#asksToLeave ? text[part] : "");
    root.querySelector("slot")!.hidden = stage !== "turn";
    this.#renderTime(root, text, pass?.expires_at);
  }

  #renderTime(root: ShadowRoot, text: RoomTexts, expires_at: string | undefined): void {
    clearInterval(this.#countdown);
    const tick = () => {
      const seconds = Math.max(0, Math.ceil((Date.parse(expires_at ?? "") - this.#followed!.now()) / 1_000));
      const time = `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
      show(root, "time", text.timeLeft.replace("{time}", time));
    };
    if (!expires_at || !this.#followed) return show(root, "time", "");
    tick();
    this.#countdown = setInterval(tick, 1_000);
  }

  #createRoot(): ShadowRoot {
    const root = this.attachShadow({ mode: "open" });
    // A constructed sheet is allowed by content security policies that forbid inline styles.
    const sheet = new CSSStyleSheet();
    sheet.replaceSync(STYLE);
    root.adoptedStyleSheets = [sheet];

    const slot = element("slot", { name: "turn", part: "turn" });
    const button = (part: string, act: () => void) => {
      const made = element("button", { part, type: "button" });
      made.addEventListener("click", act);
      return made;
    };
    const ask = (asks: boolean) => () => {
      this.#asksToLeave = asks;
      this.#render();
    };
    const actions = element("div", { part: "actions" });
    actions.append(
      button("leave", ask(true)),
      element("p", { part: "leaveQuestion", role: "status" }),
      button("leaveConfirm", () => this.leave()),
      button("leaveCancel", ask(false)),
    );

    const status = element("div", { role: "status" });
    status.append(element("h2", { part: "heading" }), element("p", { part: "notice" }), element("p", { part: "warning" }));
    const place = element("p", { part: "position" });
    // Numbers need no translation, and a browser that translates them detaches them from this element.
    place.append(element("span", { part: "label" }), element("span", { part: "number", translate: "no" }));
    root.append(status, place, element("p", { part: "wait" }), element("p", { part: "time", translate: "no" }), slot, actions);
    return root;
  }
}

function element(tag: string, attributes: Record<string, string>): HTMLElement {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  return made;
}

/** Replaces the text node only if the text changed: screen readers announce changes, and translators translate new nodes. */
function show(root: ShadowRoot, part: string, text: string): void {
  const target = root.querySelector<HTMLElement>(`[part=${part}]`)!;
  target.hidden = text === "";
  if (target.textContent !== text) target.replaceChildren(text);
}

/** In minutes, rounded up: `Intl` knows each language's plural forms. */
function waitText({ estimated_wait_seconds, wait_range_seconds }: RoomState["position"] & object, text: RoomTexts, language: string): string {
  const { low, high } = wait_range_seconds ?? { low: estimated_wait_seconds, high: estimated_wait_seconds };
  if (!(high > 0)) return text.waitUnknown;
  const minutes = (seconds: number) => Math.max(1, Math.ceil(seconds / 60));
  const format = new Intl.NumberFormat(language, { style: "unit", unit: "minute", unitDisplay: "long" });
  return text.wait.replace("{wait}", format.formatRange(minutes(low), minutes(high)));
}

if (globalThis.customElements && !customElements.get(TAG)) customElements.define(TAG, StanchionWaitingRoom);

declare global {
  interface HTMLElementTagNameMap {
    "stanchion-waiting-room": StanchionWaitingRoom;
  }
}
