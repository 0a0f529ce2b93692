// The React hook.
import { useCallback, useEffect, useRef, useState } from "react";
import { type FollowedRoom, type RoomActions, type RoomOptions, type RoomState, followRoom, initialRoomState } from "./room-state";

export type { RoomActions, RoomOptions, RoomStage, RoomState } from "./room-state";

/**
 * Joins the queue of an event when the component mounts, and gives its state. The place is kept when the component unmounts; the next
 * mount resumes it. Renders `joining` on a server. An `eventId` of undefined joins nothing.
 */
export function useWaitingRoom(eventId: string | undefined, options: RoomOptions = {}): RoomState & RoomActions {
  const { client, origin, token } = options;
  const [state, setState] = useState(initialRoomState);
  const followed = useRef<FollowedRoom | undefined>(undefined);

  useEffect(() => {
    if (eventId === undefined) return;
    const room = (followed.current = followRoom(eventId, { client, origin, token }, setState));
    return () => {
      room.close();
      followed.current = undefined;
      setState(initialRoomState);
    };
  }, [eventId, client, origin, token]);

  const leave = useCallback(() => followed.current?.leave(), []);
  const prefer = useCallback<RoomActions["prefer"]>((preferences) => followed.current?.prefer(preferences), []);
  const finish = useCallback(() => followed.current?.finish(), []);
  return { ...state, leave, prefer, finish };
}
