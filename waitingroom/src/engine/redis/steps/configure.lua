-- Replaces the settings. ARGV: the settings in the order of settings.lua.

if not recall() then return false end
configure(ARGV)
return true
