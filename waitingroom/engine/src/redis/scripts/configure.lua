-- Replaces the settings.

if not load_meta('frozen') then return false end
check_not_frozen()
begin_writing()
configure({ unpack(ARGV, REST) })
return true
