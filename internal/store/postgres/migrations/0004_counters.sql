-- compatible: 2
-- What limits count, a row for each subject, in a form of the program's own. Rows change with each message,
-- so there is room for the next version beside each.
CREATE TABLE counter (
    subject text COLLATE "C" PRIMARY KEY,
    data    bytea, -- NULL for nothing
    ends    bigint NOT NULL -- from then on nothing of it counts any more, rounded up to days
) WITH (fillfactor = 50);

CREATE INDEX counter_ends ON counter (ends);

-- Whom accounts have written to, where a limit of new recipients asks for it.
CREATE TABLE contact (
    login     text COLLATE "C" NOT NULL,
    recipient bigint NOT NULL, -- a digest of the address
    day       bigint NOT NULL, -- on which it was written to last, since 1970
    PRIMARY KEY (login, recipient)
);

CREATE INDEX contact_day ON contact (day, login, recipient);
