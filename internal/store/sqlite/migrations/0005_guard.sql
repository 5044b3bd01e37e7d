-- compatible: 2
-- What the guard has counted of failed logins, and from which networks logins have come in.
-- What has changed is asked for all the time; what is too old to count is removed.
CREATE TABLE guard_record (
    network      TEXT NOT NULL, -- '' for every network
    login        TEXT NOT NULL, -- '' for every login
    missing      INTEGER NOT NULL, -- 1 where nobody has the login
    secrets      BLOB, -- two octets of a keyed digest of each wrong one, with its times
    unseen       INTEGER NOT NULL, -- failures whose secret was not seen
    unseen_from  INTEGER NOT NULL,
    unseen_at    INTEGER NOT NULL,
    known        INTEGER NOT NULL, -- the last login that succeeded, 0 for never
    banned       INTEGER NOT NULL, -- what was before counts against the login no more
    sprayed      INTEGER NOT NULL, -- what was before counts against the network no more
    closed_from  INTEGER NOT NULL,
    closed_until INTEGER NOT NULL,
    opened       INTEGER NOT NULL, -- what was closed before is open
    ends         INTEGER NOT NULL, -- from then on it is of no use
    change       INTEGER NOT NULL, -- its latest change; they are numbered as they are made
    PRIMARY KEY (network, login)
) STRICT, WITHOUT ROWID;

CREATE UNIQUE INDEX guard_record_change ON guard_record (change);
CREATE INDEX guard_record_failed ON guard_record (change) WHERE known = 0;
CREATE INDEX guard_record_login ON guard_record (login);
CREATE INDEX guard_record_ends ON guard_record (ends);
