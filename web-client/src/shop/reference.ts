// A booking's reference, as people read it to each other: the random end of its id in groups of four.

export function reference(bookingId: string): string {
  return bookingId.slice(-12).toUpperCase().match(/.{1,4}/g)?.join("-") ?? bookingId;
}
