-- Deletes the event.

delete_event()
return true
