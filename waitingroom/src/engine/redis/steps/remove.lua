-- Forgets the event. What remembers its burned passes and attempts is of its epoch and expires.

redis.call('UNLINK', META, USERS, WAITING, RETURNED, READY, IDLE, ACTIVE, UNACKED, NODES, REMOVED, RESEATED,
  ZONES, USER_SEATS, HOLDS, PENDING, DUE, JOURNAL)
return true
