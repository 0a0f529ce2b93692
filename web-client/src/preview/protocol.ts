// What the operators' page sends to the frame of the preview.
import type { EventDetail } from "@stanchion/client/shop";

export type PreviewView = "event" | "waiting";

export interface Preview {
  kind: "preview";
  /** With the appearance as it is edited. */
  event: EventDetail;
  view: PreviewView;
}
