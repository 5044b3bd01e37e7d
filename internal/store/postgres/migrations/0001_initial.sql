-- compatible: 1
-- The schema of the SQLite engine in PostgreSQL's words; see there for what a
-- table or column means that is not explained here. Times are microseconds since
-- 1970 in UTC, 0 for "none". Text that does not apply is '', so that no column
-- but a blob is ever NULL. Texts are compared by their octets: COLLATE "C".

CREATE TABLE meta (
    name  text COLLATE "C" PRIMARY KEY,
    value bigint NOT NULL
);

INSERT INTO meta (name, value) VALUES ('generation', 1),
    ('salt', ('x' || substr(replace(gen_random_uuid()::text, '-', ''), 1, 16))::bit(64)::bigint);

-- The nodes that share this database, by its clock. Whoever writes in a node's
-- name does so under a lease of an epoch; lease_until is 0 where nobody has one.
-- skew is by how many microseconds the node's own clock was ahead, schema the
-- newest step that its program knows.
CREATE TABLE node (
    id          text COLLATE "C" PRIMARY KEY,
    address     text COLLATE "C" NOT NULL,
    version     text COLLATE "C" NOT NULL,
    state       text COLLATE "C" NOT NULL,
    started     bigint NOT NULL,
    heartbeat   bigint NOT NULL,
    lease_until bigint NOT NULL,
    epoch       bigint NOT NULL,
    skew        bigint NOT NULL,
    schema      bigint NOT NULL,
    keys        text COLLATE "C" NOT NULL -- the names of its sealing keys, with spaces between; '' while not known
) WITH (fillfactor = 50);

CREATE SEQUENCE node_epoch;

-- Accounts. Names are the keys, in their one normal form.

CREATE TABLE plan (
    name              text COLLATE "C" PRIMARY KEY,
    max_recipients    bigint NOT NULL,
    max_message_bytes bigint NOT NULL,
    max_messages      bigint NOT NULL,
    legacy            smallint NOT NULL,
    state             text COLLATE "C" NOT NULL,
    created           bigint NOT NULL,
    revision          bigint NOT NULL
);

CREATE TABLE customer (
    name     text COLLATE "C" PRIMARY KEY,
    plan     text COLLATE "C" REFERENCES plan (name), -- NULL for none
    state    text COLLATE "C" NOT NULL,
    created  bigint NOT NULL,
    revision bigint NOT NULL
);

CREATE INDEX customer_plan ON customer (plan);

CREATE TABLE domain (
    name     text COLLATE "C" PRIMARY KEY,
    customer text COLLATE "C" NOT NULL REFERENCES customer (name),
    state    text COLLATE "C" NOT NULL,
    created  bigint NOT NULL,
    revision bigint NOT NULL
);

CREATE INDEX domain_customer ON domain (customer);

CREATE TABLE domain_key (
    domain    text COLLATE "C" NOT NULL REFERENCES domain (name) ON DELETE CASCADE,
    position  integer NOT NULL,
    selector  text COLLATE "C" NOT NULL,
    algorithm text COLLATE "C" NOT NULL,
    public    text COLLATE "C" NOT NULL,
    sealed    bytea,
    created   bigint NOT NULL,
    PRIMARY KEY (domain, position)
);

CREATE TABLE account (
    login            text COLLATE "C" PRIMARY KEY,
    id               text COLLATE "C" NOT NULL UNIQUE,
    address          text COLLATE "C" NOT NULL,
    domain           text COLLATE "C" NOT NULL REFERENCES domain (name),
    state            text COLLATE "C" NOT NULL,
    directory        text COLLATE "C" NOT NULL, -- '' where the passwords are here
    plan             text COLLATE "C" REFERENCES plan (name), -- its own; NULL for the customer's
    plan_learned     smallint NOT NULL, -- 1 where the directory has named it
    legacy           smallint NOT NULL,
    null_sender      smallint NOT NULL,
    created          bigint NOT NULL,
    revision         bigint NOT NULL
);

CREATE INDEX account_domain ON account (domain);
CREATE INDEX account_plan ON account (plan, login) WHERE plan IS NOT NULL;

-- Lists are texts: the networks and the mechanisms of an envelope with a space
-- between, its senders and former hashes a line each, of the keys a line each with
-- the mechanism in front.
CREATE TABLE credential (
    login             text COLLATE "C" NOT NULL REFERENCES account (login) ON DELETE CASCADE,
    name              text COLLATE "C" NOT NULL,
    id                text COLLATE "C" NOT NULL UNIQUE,
    kind              text COLLATE "C" NOT NULL,
    subject           text COLLATE "C" NOT NULL, -- '' for passwords
    hash              text COLLATE "C" NOT NULL, -- '' for all others
    cost              text COLLATE "C" NOT NULL,
    keys              text COLLATE "C" NOT NULL,
    former            text COLLATE "C" NOT NULL,
    networks          text COLLATE "C" NOT NULL,
    senders           text COLLATE "C" NOT NULL,
    mechanisms        text COLLATE "C" NOT NULL,
    max_recipients    bigint NOT NULL,
    max_message_bytes bigint NOT NULL,
    max_messages      bigint NOT NULL,
    expires           bigint NOT NULL,
    created           bigint NOT NULL,
    changed           bigint NOT NULL,
    recall_all        bigint NOT NULL, -- mail of an earlier revision of the account is held,
    recall_some       bigint NOT NULL, -- or is unless it was sent under
    spared            text COLLATE "C" NOT NULL, -- one of these, a line each
    PRIMARY KEY (login, name)
);

CREATE UNIQUE INDEX credential_subject ON credential (kind, subject) WHERE subject <> '';
CREATE INDEX credential_cost ON credential (cost);

-- When each credential was used last. Apart, as it changes all the time.
CREATE TABLE credential_use (
    credential text COLLATE "C" NOT NULL PRIMARY KEY,
    login      text COLLATE "C" NOT NULL REFERENCES account (login) ON DELETE CASCADE,
    at         bigint NOT NULL,
    client     text COLLATE "C" NOT NULL,
    session    text COLLATE "C" NOT NULL,
    mechanism  text COLLATE "C" NOT NULL,
    program    text COLLATE "C" NOT NULL
);

CREATE INDEX credential_use_login ON credential_use (login);
CREATE INDEX credential_use_at ON credential_use (at);

CREATE TABLE account_address (
    key      text COLLATE "C" PRIMARY KEY,
    login    text COLLATE "C" NOT NULL REFERENCES account (login) ON DELETE CASCADE,
    position integer NOT NULL,
    address  text COLLATE "C" NOT NULL,
    learned  smallint NOT NULL -- 1 for an alias that the directory has named
);

CREATE INDEX account_address_login ON account_address (login, position);

CREATE TABLE account_grant (
    login    text COLLATE "C" NOT NULL REFERENCES account (login) ON DELETE CASCADE,
    position integer NOT NULL,
    address  text COLLATE "C" NOT NULL, -- '' for all of domain
    domain   text COLLATE "C" NOT NULL,
    PRIMARY KEY (login, position)
);

-- The queue. Its tables have no foreign keys: the engine writes and removes
-- their rows together, and checks would cost on each of them. Their rows come and
-- go all the time, so they are vacuumed as soon as some thousands are dead,
-- without pauses.

CREATE TABLE submission (
    id          text COLLATE "C" NOT NULL UNIQUE,
    session     text COLLATE "C" NOT NULL,
    account     text COLLATE "C" NOT NULL,
    credential  text COLLATE "C" NOT NULL, -- '' for reports of our own
    login       text COLLATE "C" NOT NULL,
    domain      text COLLATE "C" NOT NULL,
    customer    text COLLATE "C" NOT NULL,
    cause       text COLLATE "C" NOT NULL,
    at          bigint NOT NULL,
    expires     bigint NOT NULL,
    sender      text COLLATE "C" NOT NULL, -- '' for the null reverse-path
    given_size  bigint NOT NULL,
    body_type   text COLLATE "C" NOT NULL,
    smtputf8    smallint NOT NULL,
    dsn_return  text COLLATE "C" NOT NULL,
    envelope_id text COLLATE "C" NOT NULL,
    size        bigint NOT NULL,
    revision    bigint NOT NULL, -- the account's
    others      smallint NOT NULL, -- 1 where it was sent under more than the sender
    content     bigint PRIMARY KEY -- content.id; those of a customer or a plan are looked for in ranges of it
) WITH (autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 5000,
    autovacuum_analyze_scale_factor = 0.05, autovacuum_analyze_threshold = 5000, autovacuum_vacuum_cost_delay = 0);

CREATE INDEX submission_owner ON submission (domain, login, content) WHERE domain <> '';

CREATE TABLE relied (
    submission text COLLATE "C" NOT NULL,
    domain     text COLLATE "C" NOT NULL,
    content    bigint NOT NULL, -- the submission's
    PRIMARY KEY (submission, domain)
) WITH (autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 5000, autovacuum_vacuum_cost_delay = 0);

CREATE INDEX relied_domain ON relied (domain, content);

CREATE TABLE following (
    id      text COLLATE "C" PRIMARY KEY,
    kind    text COLLATE "C" NOT NULL,
    name    text COLLATE "C" NOT NULL,
    touched bigint NOT NULL,
    actor   text COLLATE "C" NOT NULL,
    object  text COLLATE "C" NOT NULL,
    text    text COLLATE "C" NOT NULL
);

-- A writer draws numbers of content in blocks, one part of 512 at a time.
CREATE SEQUENCE content_number INCREMENT BY 512 MINVALUE 512;

CREATE TABLE content (
    id         bigint PRIMARY KEY,
    head       bytea,
    body       bytea,
    large      text COLLATE "C" NOT NULL, -- body.id, '' for none
    large_size bigint NOT NULL
) WITH (autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 5000, autovacuum_vacuum_cost_delay = 0,
    toast.autovacuum_vacuum_scale_factor = 0.01, toast.autovacuum_vacuum_threshold = 5000, toast.autovacuum_vacuum_cost_delay = 0);

-- Mail compresses badly and is read once: trying costs more than it saves.
ALTER TABLE content ALTER COLUMN head SET STORAGE EXTERNAL, ALTER COLUMN body SET STORAGE EXTERNAL;

-- Bodies too large for content, in pieces of 256 KiB.
CREATE TABLE body (
    id      text COLLATE "C" PRIMARY KEY,
    size    bigint NOT NULL,
    state   smallint NOT NULL, -- 1 being written, 2 sealed, 3 of a submission, 4 finished
    changed bigint NOT NULL
) WITH (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_cost_delay = 0);

CREATE INDEX body_unused ON body (changed) WHERE state <> 3;

CREATE TABLE body_chunk (
    body text COLLATE "C" NOT NULL,
    n    integer NOT NULL,
    data bytea NOT NULL,
    PRIMARY KEY (body, n)
) WITH (autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_cost_delay = 0,
    toast.autovacuum_vacuum_scale_factor = 0.01, toast.autovacuum_vacuum_threshold = 1000, toast.autovacuum_vacuum_cost_delay = 0);

ALTER TABLE body_chunk ALTER COLUMN data SET STORAGE EXTERNAL;

CREATE TABLE delivery (
    submission     text COLLATE "C" NOT NULL,
    n              integer NOT NULL,
    node           text COLLATE "C" NOT NULL, -- the node that delivers it
    state          smallint NOT NULL, -- 1 queued, 2 deferred, 3 held
    next           bigint NOT NULL,
    attempts       integer NOT NULL,
    local          text COLLATE "C" NOT NULL,
    destination    text COLLATE "C" NOT NULL,
    notify         integer NOT NULL,
    original       text COLLATE "C" NOT NULL,
    hold_reason    text COLLATE "C" NOT NULL,
    delay_reported smallint NOT NULL,
    last_at        bigint NOT NULL,
    last_code      integer NOT NULL,
    last_enhanced  text COLLATE "C" NOT NULL,
    last_text      text COLLATE "C" NOT NULL,
    last_remote    text COLLATE "C" NOT NULL,
    content        bigint NOT NULL, -- the submission's
    PRIMARY KEY (submission, n)
) WITH (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 5000,
    autovacuum_analyze_scale_factor = 0.05, autovacuum_analyze_threshold = 5000, autovacuum_vacuum_cost_delay = 0);

CREATE INDEX delivery_due ON delivery (node, next, submission, n) WHERE state < 3;
CREATE INDEX delivery_held ON delivery (node, submission, n) WHERE state = 3;

-- How many deliveries wait in each state, as a sum: each transaction adds a row,
-- as one that all change would have to be waited for. The transactions of a
-- node's writer are numbered, by which it learns after a broken connection
-- whether one was committed; node and epoch are those of the writer, '' and 0
-- for others. Now and then a node puts rows together.
CREATE TABLE queue_total (
    node     text COLLATE "C" NOT NULL,
    epoch    bigint NOT NULL,
    batch    bigint NOT NULL,
    queued   bigint NOT NULL,
    deferred bigint NOT NULL,
    held     bigint NOT NULL
) WITH (autovacuum_vacuum_scale_factor = 0.1, autovacuum_vacuum_threshold = 500, autovacuum_vacuum_cost_delay = 0);

CREATE INDEX queue_total_batch ON queue_total (node, epoch, batch);

-- The record. Numbers are drawn under a lock that is held until the commit, so
-- that they become visible in their order.

CREATE TABLE event (
    seq        bigint GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,
    at         bigint NOT NULL,
    kind       text COLLATE "C" NOT NULL,
    session    text COLLATE "C" NOT NULL,
    submission text COLLATE "C" NOT NULL,
    delivery   integer NOT NULL,
    login      text COLLATE "C" NOT NULL,
    actor      text COLLATE "C" NOT NULL,
    client     text COLLATE "C" NOT NULL,
    object     text COLLATE "C" NOT NULL,
    code       integer NOT NULL,
    enhanced   text COLLATE "C" NOT NULL,
    reason     text COLLATE "C" NOT NULL,
    text       text COLLATE "C" NOT NULL,
    data       text COLLATE "C" NOT NULL -- a JSON object, '' for none
) WITH (autovacuum_vacuum_insert_scale_factor = 0.05, autovacuum_analyze_scale_factor = 0.05);

CREATE INDEX event_session ON event (session) WHERE session <> '';
CREATE INDEX event_submission ON event (submission) WHERE submission <> '';
CREATE INDEX event_login ON event (login, seq) WHERE login <> '';
CREATE INDEX event_at ON event (at, seq);

CREATE TABLE certificate (
    key  text COLLATE "C" PRIMARY KEY,
    data bytea
);
