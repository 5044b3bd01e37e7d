-- compatible: 2
-- What limits count, a row for each subject, in a form of the program's own.
CREATE TABLE counter (
    subject TEXT PRIMARY KEY,
    data    BLOB NOT NULL,
    ends    INTEGER NOT NULL -- from then on nothing of it counts any more, rounded up to days
) STRICT, WITHOUT ROWID;

CREATE INDEX counter_ends ON counter (ends);
