-- compatible: 2
-- What accounts may send under beside their own addresses, and what becomes of mail under
-- others. A grant that earlier releases would take for more than it is (on behalf, with an
-- end, across customers) has neither address nor domain for them, and stands in target.
ALTER TABLE account_grant ADD COLUMN manner TEXT NOT NULL DEFAULT 'send-as';
ALTER TABLE account_grant ADD COLUMN target TEXT NOT NULL DEFAULT ''; -- an address, or '@' and a domain
ALTER TABLE account_grant ADD COLUMN under TEXT NOT NULL DEFAULT ''; -- the domain that it is in, '' in rows of earlier releases
ALTER TABLE account_grant ADD COLUMN across INTEGER NOT NULL DEFAULT 0; -- 1 where it reaches another customer
ALTER TABLE account_grant ADD COLUMN ends INTEGER NOT NULL DEFAULT 0; -- 0 for never
ALTER TABLE account_grant ADD COLUMN given INTEGER NOT NULL DEFAULT 0; -- 0 for not known
ALTER TABLE account_grant ADD COLUMN actor TEXT NOT NULL DEFAULT ''; -- who gave it
ALTER TABLE account_grant ADD COLUMN because TEXT NOT NULL DEFAULT '';
CREATE INDEX account_grant_under ON account_grant (under, login);

ALTER TABLE account ADD COLUMN sender_mode TEXT NOT NULL DEFAULT ''; -- '' for the plan's
ALTER TABLE plan ADD COLUMN sender_mode TEXT NOT NULL DEFAULT ''; -- '' for enforce
