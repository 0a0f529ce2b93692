// Whether the seats are likely to last until this user's turn: compared with what the people ahead may buy, not with their number.

export type SeatsOutlook = "enough" | "perhaps" | "few";

/** `max` is the number of seats that one person may buy. Each person buys at least one. */
export function seatsOutlook(left: number, ahead: number, max: number): SeatsOutlook {
  if (left >= (ahead + 1) * max) return "enough";
  return left > ahead ? "perhaps" : "few";
}
