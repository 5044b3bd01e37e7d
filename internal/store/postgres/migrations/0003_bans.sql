-- compatible: 2
-- Networks whose clients are refused, or logins from there. What holds and what has
-- changed is asked for all the time, what has ended is removed after a while.
CREATE TABLE ban (
    id      text COLLATE "C" PRIMARY KEY,
    network text COLLATE "C" NOT NULL,
    login   text COLLATE "C" NOT NULL, -- '' for everybody
    reason  text COLLATE "C" NOT NULL,
    actor   text COLLATE "C" NOT NULL, -- who set it
    began   bigint NOT NULL,
    ends    bigint NOT NULL, -- 0 for never
    lifted  text COLLATE "C" NOT NULL, -- who ended it before its time, '' for nobody
    change  bigint NOT NULL -- its latest change; they are numbered as they are made
);

CREATE UNIQUE INDEX ban_change ON ban (change);
CREATE INDEX ban_network ON ban (network);
CREATE INDEX ban_ends ON ban (ends) WHERE ends > 0;
