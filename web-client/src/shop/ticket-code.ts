// The QR code's view, whose encoder is loaded only for those who get that far.
import { LateCode, importLate } from "../shared/late-code";

export const ticketCode = new LateCode(async () => (await importLate(() => import("./qr"))).Qr);
