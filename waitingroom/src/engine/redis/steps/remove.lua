-- Forgets the event.

forget()
return true
