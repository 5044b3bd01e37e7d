-- compatible: 2
-- What limits have counted since it was last put into table counter: a row for each
-- transaction that counts, with all counters as they are after it, in a form of the
-- program's own. Where a counter is in several rows, and in its table, the last row counts.
CREATE TABLE counter_log (
    seq  INTEGER PRIMARY KEY,
    data BLOB -- NULL for nothing
) STRICT;
