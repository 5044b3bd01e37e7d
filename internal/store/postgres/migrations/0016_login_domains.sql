-- compatible: 2
-- Bans and what the guard has counted are found by the domain of their logins, which is behind the last "@":
-- a customer's are listed without those of all others. The logins need not be those of accounts.
CREATE INDEX ban_domain ON ban ((substr(login, length(rtrim(login, replace(login, '@', ''))) + 1))) WHERE login <> '';
CREATE INDEX guard_record_domain ON guard_record ((substr(login, length(rtrim(login, replace(login, '@', ''))) + 1))) WHERE login <> '';
