// The Vue composable.
import { type MaybeRefOrGetter, type ShallowRef, onMounted, shallowRef, toValue, watch } from "vue";
import { type FollowedRoom, type RoomActions, type RoomOptions, type RoomState, followRoom, initialRoomState } from "./room-state";

export type { RoomActions, RoomOptions, RoomStage, RoomState } from "./room-state";

export interface UsedWaitingRoom extends RoomActions {
  readonly state: Readonly<ShallowRef<RoomState>>;
}

/**
 * Joins the queue of an event when the component is mounted, and gives its state. The place is kept when the component is unmounted;
 * the next one resumes it. Renders `joining` on a server. An `eventId` of undefined joins nothing.
 */
export function useWaitingRoom(eventId: MaybeRefOrGetter<string | undefined>, options: MaybeRefOrGetter<RoomOptions> = {}): UsedWaitingRoom {
  const state = shallowRef(initialRoomState);
  let followed: FollowedRoom | undefined;

  // A watcher that is made in this hook ends with the component; a server never calls the hook.
  onMounted(() => {
    const inputs = () => {
      const { client, origin, token } = toValue(options);
      return [toValue(eventId), client, origin, token] as const;
    };
    watch(
      inputs,
      ([id, client, origin, token], _, onCleanup) => {
        if (id === undefined) return;
        const room = (followed = followRoom(id, { client, origin, token }, (changed) => (state.value = changed)));
        onCleanup(() => {
          room.close();
          followed = undefined;
          state.value = initialRoomState;
        });
      },
      { immediate: true },
    );
  });

  return {
    state,
    leave: () => followed?.leave(),
    prefer: (preferences) => followed?.prefer(preferences),
    finish: () => followed?.finish(),
  };
}
