-- compatible: 2
-- By which devices a login has come in from a network: of each a keyed digest of what it calls itself, with when.
-- An older program keeps them as they are.
ALTER TABLE guard_record ADD COLUMN devices BLOB;
