// Amounts, durations and states in words.
import type { Booking, SaleState } from "../sdk";

/** `amount` is in the currency's minor unit. */
export function money(amount: number, currency: string): string {
  const format = new Intl.NumberFormat(undefined, { style: "currency", currency });
  return format.format(amount / 10 ** (format.resolvedOptions().maximumFractionDigits ?? 2));
}

export function whole(count: number): string {
  return count.toLocaleString();
}

/** An estimate claims no more precision than it has. */
export function estimate(seconds: number): string {
  if (seconds < 20) return "a few seconds";
  if (seconds < 90) return "about a minute";
  const minutes = Math.round(seconds / 60);
  if (minutes < 90) return `about ${minutes} minutes`;
  return `about ${Math.round(minutes / 60)} hours`;
}

/** As on a clock: 4:05. */
export function clock(ms: number): string {
  const seconds = Math.max(0, Math.ceil(ms / 1_000));
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
}

export const saleStates: Record<SaleState, string> = {
  scheduled: "Not open yet",
  open: "On sale",
  paused: "Paused, every place is kept",
  sold_out: "Sold out",
  closed: "Closed",
};

/** Why a wait has grown; a reason that is not known yet is not shown. */
export const waitReasons: Record<string, string> = {
  paused: "The line is paused.",
  sold_out: "Every seat is held or sold; some may come back.",
  slowed: "The line moves more slowly than before.",
  returned: "People ahead of you, who had been away, are back.",
};

export const bookingHeadings: Record<Booking["status"], string> = {
  reserved: "Your seats are held",
  confirmed: "Your seats are booked",
  cancelled: "Your reservation was cancelled",
  expired: "Your reservation has expired",
};

export const bookingAdvice: Record<Booking["status"], string> = {
  reserved: "Confirm before the time is over, or the seats go back on sale.",
  confirmed: "Keep the booking number.",
  cancelled: "The seats are back on sale.",
  expired: "The time to confirm is over and the seats are back on sale.",
};
