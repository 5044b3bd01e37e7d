-- compatible: 2
-- What gates have written into the zone that domains have delegated their selectors to: a
-- row is there before the record is, and goes after it. It stays when its key or its domain
-- is removed, so that a gate removes the record then.
CREATE TABLE zone_record (
    domain   TEXT NOT NULL,
    selector TEXT NOT NULL,
    text     TEXT NOT NULL, -- domain_key.public of the key
    PRIMARY KEY (domain, selector, text)
) STRICT, WITHOUT ROWID;

-- What was written before there was this table.
INSERT INTO zone_record (domain, selector, text) SELECT DISTINCT domain, selector, public FROM domain_key
    WHERE selector IN ('cs-rsa-a', 'cs-rsa-b', 'cs-ed25519-a', 'cs-ed25519-b');
