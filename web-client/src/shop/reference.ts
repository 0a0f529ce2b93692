// A booking's reference for people: the last twelve digits of its id, in groups of four. They are random.

export function reference(bookingId: string): string {
  return bookingId.slice(-12).toUpperCase().match(/.{1,4}/g)?.join("-") ?? bookingId;
}
