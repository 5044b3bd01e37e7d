-- compatible: 2
-- The embedded engine has a log of what limits have counted. This one changes the counters themselves.

-- What becomes of a connection while the store is away, '' for open; how many have to have failed before
-- their share counts; and that nobody gets a mail when most of a limit is used.
ALTER TABLE limit_rule ADD COLUMN away text COLLATE "C" NOT NULL DEFAULT '';
ALTER TABLE limit_rule ADD COLUMN least bigint NOT NULL DEFAULT 0;
ALTER TABLE limit_rule ADD COLUMN quiet smallint NOT NULL DEFAULT 0;
