-- compatible: 2
-- What somebody may send. What holds and what has changed is asked for all the time, what
-- has ended is removed after a while. A rule ends with whom it is for.
CREATE TABLE limit_rule (
    id      TEXT PRIMARY KEY,
    kind    TEXT NOT NULL, -- of whom it is for
    name    TEXT NOT NULL, -- '*' for each of the kind that has none of its own
    measure TEXT NOT NULL,
    span    TEXT NOT NULL, -- the window
    most    INTEGER NOT NULL,
    extra   INTEGER NOT NULL, -- 1 where it is had on top of another
    action  TEXT NOT NULL,
    shadow  INTEGER NOT NULL, -- 1 where it is noted alone
    share   INTEGER NOT NULL, -- of one account, in percent, 0 for all
    because TEXT NOT NULL,
    actor   TEXT NOT NULL, -- who set it
    began   INTEGER NOT NULL,
    ends    INTEGER NOT NULL, -- 0 for never
    lifted  TEXT NOT NULL, -- who ended it before its time, '' for nobody
    change  INTEGER NOT NULL -- its latest change; they are numbered as they are made, and one may be of several rules
) STRICT, WITHOUT ROWID;

CREATE INDEX limit_rule_change ON limit_rule (change);
CREATE INDEX limit_rule_name ON limit_rule (kind, name);
CREATE INDEX limit_rule_ends ON limit_rule (ends) WHERE ends > 0;
