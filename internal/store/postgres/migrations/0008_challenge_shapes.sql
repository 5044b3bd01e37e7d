-- compatible: 2
-- What the challenges of directories look like that run exchanges of SCRAM, so that every gate
-- shows one and the same for a name that is not there. Nothing of any account.
CREATE TABLE challenge_shape (
    directory  text COLLATE "C" NOT NULL,
    mechanism  text COLLATE "C" NOT NULL,
    kind       text COLLATE "C" NOT NULL,
    salt       int NOT NULL, -- its length in octets
    iterations int NOT NULL,
    seen       bigint NOT NULL, -- the last time
    PRIMARY KEY (directory, mechanism, kind, salt, iterations)
);
