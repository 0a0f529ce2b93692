/** @jsxImportSource react */
import { useWaitingRoom } from "@stanchion/client/react";

/** `onTurn` gets the pass that `rest.reserve` needs, once it is the visitor's turn. */
export function WaitingRoom({ eventId, onTurn }: { eventId: string; onTurn: (queuePass: string) => void }) {
  const { stage, position, pass, error, inMemory, leave } = useWaitingRoom(eventId);
  if (stage === "turn") return <button onClick={() => onTurn(pass!.queue_pass)}>Choose your seats</button>;
  if (stage === "left") return <p>You are no longer in line.</p>;
  if (stage === "refused") return <p role="alert">{error?.message}</p>;

  return (
    <section>
      <p role="status">{stage === "joining" ? "Taking your place…" : "You are in line"}</p>
      {position && <p translate="no">{position.position}</p>}
      {inMemory && <p>Keep this page open: a reload loses your place.</p>}
      <button onClick={leave}>Leave the line</button>
    </section>
  );
}
