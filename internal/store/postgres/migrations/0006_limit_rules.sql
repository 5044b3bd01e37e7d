-- compatible: 2
-- What somebody may send. What holds and what has changed is asked for all the time, what
-- has ended is removed after a while. A rule ends with whom it is for.
CREATE TABLE limit_rule (
    id      text COLLATE "C" PRIMARY KEY,
    kind    text COLLATE "C" NOT NULL, -- of whom it is for
    name    text COLLATE "C" NOT NULL, -- '*' for each of the kind that has none of its own
    measure text COLLATE "C" NOT NULL,
    span    text COLLATE "C" NOT NULL, -- the window
    most    bigint NOT NULL,
    extra   smallint NOT NULL, -- 1 where it is had on top of another
    action  text COLLATE "C" NOT NULL,
    shadow  smallint NOT NULL, -- 1 where it is noted alone
    share   smallint NOT NULL, -- of one account, in percent, 0 for all
    because text COLLATE "C" NOT NULL,
    actor   text COLLATE "C" NOT NULL, -- who set it
    began   bigint NOT NULL,
    ends    bigint NOT NULL, -- 0 for never
    lifted  text COLLATE "C" NOT NULL, -- who ended it before its time, '' for nobody
    change  bigint NOT NULL -- its latest change; they are numbered as they are made, and one may be of several rules
);

CREATE INDEX limit_rule_change ON limit_rule (change);
CREATE INDEX limit_rule_name ON limit_rule (kind, name);
CREATE INDEX limit_rule_ends ON limit_rule (ends) WHERE ends > 0;
