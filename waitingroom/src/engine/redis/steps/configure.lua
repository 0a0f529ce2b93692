-- Replaces the settings. ARGV: the settings in the order of settings.lua.

if not recall() then return false end
begin_writing()
configure(ARGV)
return true
