-- compatible: 1
-- Times are microseconds since 1970 in UTC, 0 for "none". Text that does not
-- apply is '', so that no column but a blob is ever NULL.

PRAGMA application_id = 1129530190; -- "CSGN"

CREATE TABLE meta (
    name  TEXT PRIMARY KEY,
    value INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

INSERT INTO meta (name, value) VALUES ('generation', 1), ('salt', random());

-- Accounts. Names are the keys, in their one normal form.

CREATE TABLE plan (
    name              TEXT PRIMARY KEY,
    max_recipients    INTEGER NOT NULL,
    max_message_bytes INTEGER NOT NULL,
    max_messages      INTEGER NOT NULL,
    legacy            INTEGER NOT NULL,
    state             TEXT NOT NULL,
    created           INTEGER NOT NULL,
    revision          INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE customer (
    name     TEXT PRIMARY KEY,
    plan     TEXT REFERENCES plan (name), -- NULL for none
    state    TEXT NOT NULL,
    created  INTEGER NOT NULL,
    revision INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX customer_plan ON customer (plan);

CREATE TABLE domain (
    name     TEXT PRIMARY KEY,
    customer TEXT NOT NULL REFERENCES customer (name),
    state    TEXT NOT NULL,
    created  INTEGER NOT NULL,
    revision INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX domain_customer ON domain (customer);

CREATE TABLE domain_key (
    domain    TEXT NOT NULL REFERENCES domain (name) ON DELETE CASCADE,
    position  INTEGER NOT NULL,
    selector  TEXT NOT NULL,
    algorithm TEXT NOT NULL,
    public    TEXT NOT NULL,
    sealed    BLOB,
    created   INTEGER NOT NULL,
    PRIMARY KEY (domain, position)
) STRICT, WITHOUT ROWID;

CREATE TABLE account (
    login            TEXT PRIMARY KEY,
    id               TEXT NOT NULL UNIQUE,
    address          TEXT NOT NULL,
    domain           TEXT NOT NULL REFERENCES domain (name),
    state            TEXT NOT NULL,
    directory        TEXT NOT NULL, -- '' where the passwords are here
    plan             TEXT REFERENCES plan (name), -- its own; NULL for the customer's
    plan_learned     INTEGER NOT NULL, -- 1 where the directory has named it
    legacy           INTEGER NOT NULL,
    null_sender      INTEGER NOT NULL,
    created          INTEGER NOT NULL,
    revision         INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX account_domain ON account (domain);
CREATE INDEX account_plan ON account (plan) WHERE plan IS NOT NULL;

-- Lists are texts: the networks and the mechanisms of an envelope with a space
-- between, its senders and former hashes a line each, of the keys a line each with
-- the mechanism in front.
CREATE TABLE credential (
    login             TEXT NOT NULL REFERENCES account (login) ON DELETE CASCADE,
    name              TEXT NOT NULL,
    id                TEXT NOT NULL UNIQUE,
    kind              TEXT NOT NULL,
    subject           TEXT NOT NULL, -- '' for passwords
    hash              TEXT NOT NULL, -- '' for all others
    cost              TEXT NOT NULL,
    keys              TEXT NOT NULL,
    former            TEXT NOT NULL,
    networks          TEXT NOT NULL,
    senders           TEXT NOT NULL,
    mechanisms        TEXT NOT NULL,
    max_recipients    INTEGER NOT NULL,
    max_message_bytes INTEGER NOT NULL,
    max_messages      INTEGER NOT NULL,
    expires           INTEGER NOT NULL,
    created           INTEGER NOT NULL,
    changed           INTEGER NOT NULL,
    recall_all        INTEGER NOT NULL, -- mail of an earlier revision of the account is held,
    recall_some       INTEGER NOT NULL, -- or is unless it was sent under
    spared            TEXT NOT NULL, -- one of these, a line each
    PRIMARY KEY (login, name)
) STRICT, WITHOUT ROWID;

CREATE UNIQUE INDEX credential_subject ON credential (kind, subject) WHERE subject <> '';
CREATE INDEX credential_cost ON credential (cost);

-- When each credential was used last. Apart, as it changes all the time.
CREATE TABLE credential_use (
    credential TEXT PRIMARY KEY,
    login      TEXT NOT NULL REFERENCES account (login) ON DELETE CASCADE,
    at         INTEGER NOT NULL,
    client     TEXT NOT NULL,
    session    TEXT NOT NULL,
    mechanism  TEXT NOT NULL,
    program    TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX credential_use_login ON credential_use (login);
CREATE INDEX credential_use_at ON credential_use (at);

-- Every address that belongs to an account: its own at position 0, then its
-- aliases. The key makes sure that each belongs to one account only.
CREATE TABLE account_address (
    key      TEXT PRIMARY KEY,
    login    TEXT NOT NULL REFERENCES account (login) ON DELETE CASCADE,
    position INTEGER NOT NULL,
    address  TEXT NOT NULL,
    learned  INTEGER NOT NULL -- 1 for an alias that the directory has named
) STRICT, WITHOUT ROWID;

CREATE INDEX account_address_login ON account_address (login, position);

CREATE TABLE account_grant (
    login    TEXT NOT NULL REFERENCES account (login) ON DELETE CASCADE,
    position INTEGER NOT NULL,
    address  TEXT NOT NULL, -- '' for all of domain
    domain   TEXT NOT NULL,
    PRIMARY KEY (login, position)
) STRICT, WITHOUT ROWID;

-- The queue. Its tables have no foreign keys: the engine writes and removes
-- their rows together, and checks would cost on each of them.

-- The tables that a million rows may wait in have numbers as their keys: those
-- without keep whole rows in the upper pages of their trees, which are then too
-- many for the cache.

CREATE TABLE submission (
    id          TEXT NOT NULL UNIQUE,
    session     TEXT NOT NULL,
    account     TEXT NOT NULL,
    credential  TEXT NOT NULL, -- '' for reports of our own
    login       TEXT NOT NULL,
    domain      TEXT NOT NULL,
    customer    TEXT NOT NULL,
    cause       TEXT NOT NULL,
    at          INTEGER NOT NULL,
    expires     INTEGER NOT NULL,
    sender      TEXT NOT NULL, -- '' for the null reverse-path
    given_size  INTEGER NOT NULL,
    body_type   TEXT NOT NULL,
    smtputf8    INTEGER NOT NULL,
    dsn_return  TEXT NOT NULL,
    envelope_id TEXT NOT NULL,
    size        INTEGER NOT NULL,
    revision    INTEGER NOT NULL, -- the account's
    others      INTEGER NOT NULL, -- 1 where it was sent under more than the sender
    content     INTEGER PRIMARY KEY -- content.id
) STRICT;

-- The index begins with a number that grows: new rows then touch a few pages
-- at its end instead of one page somewhere for each message, which would cost
-- a third of the throughput. Whoever looks for an owner asks part by part.
CREATE INDEX submission_owner ON submission (content >> 9, domain, login) WHERE domain <> '';

-- The domains that a submission relies on besides its own: of an envelope
-- sender or a header that came under an alias or a grant. Most have none.
CREATE TABLE relied (
    submission TEXT NOT NULL,
    domain     TEXT NOT NULL,
    content    INTEGER NOT NULL, -- the submission's
    PRIMARY KEY (submission, domain)
) STRICT, WITHOUT ROWID;

-- In parts, as submission_owner is.
CREATE INDEX relied_domain ON relied (content >> 9, domain);

-- Changes of accounts that the waiting deliveries have still to follow; see
-- package holding.
CREATE TABLE following (
    id      TEXT PRIMARY KEY,
    kind    TEXT NOT NULL,    -- of the object that changed
    name    TEXT NOT NULL,
    touched INTEGER NOT NULL, -- when it was worked on last, 0 where left to the server
    actor   TEXT NOT NULL,    -- these three as in the event of the change
    object  TEXT NOT NULL,
    text    TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- Content stands apart, so that lists of submissions read narrow rows, under
-- a number, as long rows fit a rowid table best.
CREATE TABLE content (
    id         INTEGER PRIMARY KEY,
    head       BLOB,
    body       BLOB,
    large      TEXT NOT NULL, -- the id of a body file, '' for none
    large_size INTEGER NOT NULL
) STRICT;

CREATE INDEX content_large ON content (large) WHERE large <> '';

CREATE TABLE delivery (
    submission     TEXT NOT NULL,
    n              INTEGER NOT NULL,
    state          INTEGER NOT NULL, -- 1 queued, 2 deferred, 3 held
    next           INTEGER NOT NULL,
    attempts       INTEGER NOT NULL,
    local          TEXT NOT NULL,
    destination    TEXT NOT NULL,
    notify         INTEGER NOT NULL,
    original       TEXT NOT NULL,
    hold_reason    TEXT NOT NULL,
    delay_reported INTEGER NOT NULL,
    last_at        INTEGER NOT NULL,
    last_code      INTEGER NOT NULL,
    last_enhanced  TEXT NOT NULL,
    last_text      TEXT NOT NULL,
    last_remote    TEXT NOT NULL,
    content        INTEGER NOT NULL, -- the submission's
    PRIMARY KEY (submission, n)
) STRICT;

CREATE INDEX delivery_due ON delivery (next, submission, n) WHERE state < 3;

-- How many deliveries wait in each state, kept by the engine in the same
-- transaction as the deliveries: counting a million rows is not cheap.
CREATE TABLE queue_total (
    id       INTEGER PRIMARY KEY CHECK (id = 1),
    queued   INTEGER NOT NULL,
    deferred INTEGER NOT NULL,
    held     INTEGER NOT NULL
) STRICT;

INSERT INTO queue_total (id, queued, deferred, held) VALUES (1, 0, 0, 0);

-- The record. seq is the rowid: strictly increasing as long as the newest
-- event stays.

CREATE TABLE event (
    seq        INTEGER PRIMARY KEY,
    at         INTEGER NOT NULL,
    kind       TEXT NOT NULL,
    session    TEXT NOT NULL,
    submission TEXT NOT NULL,
    delivery   INTEGER NOT NULL,
    login      TEXT NOT NULL,
    actor      TEXT NOT NULL,
    client     TEXT NOT NULL,
    object     TEXT NOT NULL,
    code       INTEGER NOT NULL,
    enhanced   TEXT NOT NULL,
    reason     TEXT NOT NULL,
    text       TEXT NOT NULL,
    data       TEXT NOT NULL -- a JSON object, '' for none
) STRICT;

CREATE INDEX event_session ON event (session) WHERE session <> '';
CREATE INDEX event_submission ON event (submission) WHERE submission <> '';
-- In parts, as submission_owner is.
CREATE INDEX event_login ON event (seq >> 10, login) WHERE login <> '';
CREATE INDEX event_at ON event (at);

CREATE TABLE certificate (
    key  TEXT PRIMARY KEY,
    data BLOB
) STRICT, WITHOUT ROWID;
