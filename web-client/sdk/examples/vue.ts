import { useWaitingRoom } from "@stanchion/client/vue";
import { defineComponent, h } from "vue";

/** Emits `turn` with the pass that `rest.reserve` needs, once the visitor presses the button of their turn. */
export const WaitingRoom = defineComponent({
  props: { eventId: { type: String, required: true } },
  emits: { turn: (queuePass: string) => queuePass !== "" },
  setup(props, { emit }) {
    const { state, leave } = useWaitingRoom(() => props.eventId);

    return () => {
      const { stage, position, pass, error, inMemory } = state.value;
      if (stage === "turn") return h("button", { onClick: () => emit("turn", pass!.queue_pass) }, "Choose your seats");
      if (stage === "left") return h("p", "You are no longer in line.");
      if (stage === "refused") return h("p", { role: "alert" }, error?.message);

      return h("section", [
        h("p", { role: "status" }, stage === "joining" ? "Taking your place…" : "You are in line"),
        position && h("p", { translate: "no" }, position.position),
        inMemory && h("p", "Keep this page open: a reload loses your place."),
        h("button", { onClick: leave }, "Leave the line"),
      ]);
    };
  },
});
