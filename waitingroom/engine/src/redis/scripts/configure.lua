-- Replaces the settings. ARGV: the settings in the order of settings.lua.

if not load_meta('frozen') then return false end
check_not_frozen()
begin_writing()
configure(ARGV)
return true
