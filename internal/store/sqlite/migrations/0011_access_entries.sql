-- compatible: 2
-- From where clients may come, and from where not. What holds and what has changed is asked
-- for all the time, what has ended is removed after a while. An entry ends with what it is for.
CREATE TABLE access_entry (
    id     TEXT PRIMARY KEY,
    kind   TEXT NOT NULL, -- of what it is for
    name   TEXT NOT NULL, -- '' where it is for everybody
    what   TEXT NOT NULL, -- a network, a country (DE) or an autonomous system (AS64500)
    effect TEXT NOT NULL,
    shadow INTEGER NOT NULL, -- 1 where it is noted alone
    reason TEXT NOT NULL,
    actor  TEXT NOT NULL, -- who set it
    began  INTEGER NOT NULL,
    ends   INTEGER NOT NULL, -- 0 for never
    lifted TEXT NOT NULL, -- who ended it before its time, '' for nobody
    change INTEGER NOT NULL -- its latest change; they are numbered as they are made, and one may be of several entries
) STRICT, WITHOUT ROWID;

CREATE INDEX access_entry_change ON access_entry (change);
CREATE INDEX access_entry_name ON access_entry (kind, name);
CREATE INDEX access_entry_ends ON access_entry (ends) WHERE ends > 0;
