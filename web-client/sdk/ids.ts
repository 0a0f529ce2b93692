// Ids are compared as values. They are UUIDs, whose text may be in upper case; the server answers in lower case.

export const normalId = (id: string): string => id.toLowerCase();

/** An id as a segment of a path. */
export const idSegment = (id: string): string => encodeURIComponent(normalId(id));
