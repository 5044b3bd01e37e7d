-- compatible: 2
-- What limits count, a row for each subject, in a form of the program's own.
CREATE TABLE counter (
    subject TEXT PRIMARY KEY,
    data    BLOB, -- NULL for nothing
    ends    INTEGER NOT NULL -- from then on nothing of it counts any more, rounded up to days
) STRICT, WITHOUT ROWID;

CREATE INDEX counter_ends ON counter (ends);

-- Whom accounts have written to, where a limit of new recipients asks for it.
CREATE TABLE contact (
    login     TEXT NOT NULL,
    recipient INTEGER NOT NULL, -- a digest of the address
    day       INTEGER NOT NULL, -- on which it was written to last, since 1970
    PRIMARY KEY (login, recipient)
) STRICT, WITHOUT ROWID;

CREATE INDEX contact_day ON contact (day, login, recipient);
