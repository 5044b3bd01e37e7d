-- compatible: 2
-- From where clients may come, and from where not. What holds and what has changed is asked
-- for all the time, what has ended is removed after a while. An entry ends with what it is for.
CREATE TABLE access_entry (
    id     text COLLATE "C" PRIMARY KEY,
    kind   text COLLATE "C" NOT NULL, -- of what it is for
    name   text COLLATE "C" NOT NULL, -- '' where it is for everybody
    what   text COLLATE "C" NOT NULL, -- a network, a country (DE) or an autonomous system (AS64500)
    effect text COLLATE "C" NOT NULL,
    shadow smallint NOT NULL, -- 1 where it is noted alone
    reason text COLLATE "C" NOT NULL,
    actor  text COLLATE "C" NOT NULL, -- who set it
    began  bigint NOT NULL,
    ends   bigint NOT NULL, -- 0 for never
    lifted text COLLATE "C" NOT NULL, -- who ended it before its time, '' for nobody
    change bigint NOT NULL -- its latest change; they are numbered as they are made, and one may be of several entries
);

CREATE INDEX access_entry_change ON access_entry (change);
CREATE INDEX access_entry_name ON access_entry (kind, name);
CREATE INDEX access_entry_ends ON access_entry (ends) WHERE ends > 0;
