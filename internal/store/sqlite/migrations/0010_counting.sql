-- compatible: 2
-- What limits have counted since it was last put into table counter: a row for each
-- transaction that counts, with all counters as they are after it, in a form of the
-- program's own. Where a counter is in several rows, and in its table, the last row counts.
CREATE TABLE counter_log (
    seq  INTEGER PRIMARY KEY,
    data BLOB -- NULL for nothing
) STRICT;

-- What becomes of a connection while the store is away, '' for open; how many have to have failed before
-- their share counts; and that nobody gets a mail when most of a limit is used.
ALTER TABLE limit_rule ADD COLUMN away TEXT NOT NULL DEFAULT '';
ALTER TABLE limit_rule ADD COLUMN least INTEGER NOT NULL DEFAULT 0;
ALTER TABLE limit_rule ADD COLUMN quiet INTEGER NOT NULL DEFAULT 0;
