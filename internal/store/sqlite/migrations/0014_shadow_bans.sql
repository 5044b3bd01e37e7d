-- compatible: 2
-- Whether a ban only records what it would refuse. An older program refuses it.
ALTER TABLE ban ADD COLUMN shadow INTEGER NOT NULL DEFAULT 0;
