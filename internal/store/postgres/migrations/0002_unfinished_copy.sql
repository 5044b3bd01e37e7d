-- compatible: 2
-- While another store is copied into this one there is a row, and nobody but the
-- copy opens the store.
CREATE TABLE unfinished_copy (
    source text COLLATE "C" PRIMARY KEY, -- the store that is copied, as people name it
    born   bigint NOT NULL, -- when its schema was made: it tells it from another of that name
    began  bigint NOT NULL
);

-- Where this store was copied to: no gate serves from it until it is reopened.
CREATE TABLE moved_to (
    target text COLLATE "C" PRIMARY KEY, -- the copy, as people name it
    at     bigint NOT NULL, -- when both were found the same
    actor  text COLLATE "C" NOT NULL -- who copied it
);
