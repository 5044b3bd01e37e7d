-- compatible: 2
-- What is done about messages with a domain in From that will fail DMARC at their receivers.
ALTER TABLE domain ADD COLUMN alignment TEXT NOT NULL DEFAULT ''; -- '' for what the configuration says

-- What is known of the looks at domains that gates take turns in. It goes with its domain.
CREATE TABLE domain_look (
    domain  TEXT PRIMARY KEY REFERENCES domain (name) ON DELETE CASCADE,
    node    TEXT NOT NULL,    -- who has it in hand, or had it last
    taken   INTEGER NOT NULL, -- since when; 0 where nobody has
    looked  INTEGER NOT NULL, -- when a look ended last; 0 for never
    verdict TEXT NOT NULL,
    failing INTEGER NOT NULL, -- 1 where its mail failed when that was known last
    slow    INTEGER NOT NULL  -- 1 where the look took long
) STRICT, WITHOUT ROWID;
