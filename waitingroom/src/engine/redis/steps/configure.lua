-- Replaces the settings. ARGV: the settings in the order of settings.lua.

if not recall('frozen') then return false end
refuse_frozen()
begin_writing()
configure(ARGV)
return true
