-- compatible: 2
-- What the challenges of directories look like that run exchanges of SCRAM, so that every gate
-- shows one and the same for a name that is not there. Nothing of any account.
CREATE TABLE challenge_shape (
    directory  TEXT NOT NULL,
    mechanism  TEXT NOT NULL,
    kind       TEXT NOT NULL,
    salt       INTEGER NOT NULL, -- its length in octets
    iterations INTEGER NOT NULL,
    seen       INTEGER NOT NULL, -- the last time
    PRIMARY KEY (directory, mechanism, kind, salt, iterations)
) STRICT, WITHOUT ROWID;
