-- compatible: 2
-- While another store is copied into this one there is a row, and nobody but the
-- copy opens the store.
CREATE TABLE unfinished_copy (
    source TEXT PRIMARY KEY, -- the store that is copied, as people name it
    born   INTEGER NOT NULL, -- when its schema was made: it tells it from another of that name
    began  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Where this store was copied to: no gate serves from it until it is reopened.
CREATE TABLE moved_to (
    target TEXT PRIMARY KEY, -- the copy, as people name it
    at     INTEGER NOT NULL, -- when both were found the same
    actor  TEXT NOT NULL -- who copied it
) STRICT, WITHOUT ROWID;
