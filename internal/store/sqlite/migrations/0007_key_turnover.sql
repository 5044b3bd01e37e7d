-- compatible: 2
-- What a signing key is for at the moment: '' signs, 'waiting' is not published yet,
-- 'past' signs no more. An older program signs with all of them.
ALTER TABLE domain_key ADD COLUMN stage TEXT NOT NULL DEFAULT '';
-- When the stage began: for one that waits, when it was first found published, 0 before.
ALTER TABLE domain_key ADD COLUMN turned INTEGER NOT NULL DEFAULT 0;
