-- compatible: 2
-- Networks whose clients are refused, or logins from there. What holds and what has
-- changed is asked for all the time, what has ended is removed after a while.
CREATE TABLE ban (
    id      TEXT PRIMARY KEY,
    network TEXT NOT NULL,
    login   TEXT NOT NULL, -- '' for everybody
    reason  TEXT NOT NULL,
    actor   TEXT NOT NULL, -- who set it
    began   INTEGER NOT NULL,
    ends    INTEGER NOT NULL, -- 0 for never
    lifted  TEXT NOT NULL, -- who ended it before its time, '' for nobody
    change  INTEGER NOT NULL -- its latest change; they are numbered as they are made
) STRICT, WITHOUT ROWID;

CREATE UNIQUE INDEX ban_change ON ban (change);
CREATE INDEX ban_network ON ban (network);
CREATE INDEX ban_ends ON ban (ends) WHERE ends > 0;
