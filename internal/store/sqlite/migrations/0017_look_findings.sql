-- compatible: 2
-- What the last look at a domain found, beside its verdict: the DMARC policy that applies, and why mail does not pass.
ALTER TABLE domain_look ADD COLUMN policy TEXT NOT NULL DEFAULT '';
ALTER TABLE domain_look ADD COLUMN reason TEXT NOT NULL DEFAULT '';
