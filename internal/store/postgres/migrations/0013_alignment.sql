-- compatible: 2
-- What is done about messages with a domain in From that will fail DMARC at their receivers.
ALTER TABLE domain ADD COLUMN alignment text COLLATE "C" NOT NULL DEFAULT ''; -- '' for what the configuration says

-- What is known of the looks at domains that gates take turns in. It goes with its domain.
CREATE TABLE domain_look (
    domain  text COLLATE "C" PRIMARY KEY REFERENCES domain (name) ON DELETE CASCADE,
    node    text COLLATE "C" NOT NULL, -- who has it in hand, or had it last
    taken   bigint NOT NULL,           -- since when; 0 where nobody has
    looked  bigint NOT NULL,           -- when a look ended last; 0 for never
    verdict text COLLATE "C" NOT NULL,
    failing smallint NOT NULL,         -- 1 where its mail failed when that was known last
    slow    smallint NOT NULL          -- 1 where the look took long
);
