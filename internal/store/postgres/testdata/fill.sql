-- Fills an empty database with as many deliveries as generate_series says, of 500
-- accounts and 20 customers, half of them due, and an event for each.
INSERT INTO plan SELECT 'plan' || n, 0, 0, 0, 0, 'active', 1, 1 FROM generate_series(1, 3) n;
INSERT INTO customer SELECT 'customer' || n, 'plan' || n % 3 + 1, 'active', 1, 1 FROM generate_series(1, 20) n;
INSERT INTO domain SELECT 'd' || n || '.example', 'customer' || n % 20 + 1, 'active', 1, 1 FROM generate_series(1, 100) n;
INSERT INTO account SELECT 'u' || n || '@d' || n % 100 + 1 || '.example', 'id' || n, 'u' || n || '@d' || n % 100 + 1 || '.example',
    'd' || n % 100 + 1 || '.example', 'active', '', NULL, 0, 0, 0, 1, 1 FROM generate_series(1, 500) n;
INSERT INTO account_address SELECT login, login, 0, login, 0 FROM account;
INSERT INTO credential SELECT login, CASE k WHEN 1 THEN 'password' ELSE 'device' || k END, 'K' || k || id, CASE WHEN k < 40 THEN 'app-password' ELSE 'certificate' END,
    CASE WHEN k < 40 THEN '' ELSE 'cn:' || k || ' of ' || login END, CASE WHEN k < 40 THEN 'x' ELSE '' END, CASE WHEN k < 40 THEN 'cost ' || k % 2 ELSE '' END,
    '', '', '', '', '', 0, 0, 0, 0, 1, 1, 0, 0, '' FROM account, generate_series(1, 50) k;
INSERT INTO credential_use SELECT id, login, 1 + length(name) * 1000 + created, '192.0.2.1', '', 'PLAIN', '' FROM credential;
INSERT INTO submission SELECT 'S' || lpad(n::text, 25, '0'), 'X' || lpad(n::text, 25, '0'), 'id' || n % 500 + 1, 'K1id' || n % 500 + 1,
    'u' || n % 500 + 1 || '@d' || (n % 500 + 1) % 100 + 1 || '.example', 'd' || (n % 500 + 1) % 100 + 1 || '.example', 'customer1', '', n, n,
    '', 0, '', 0, '', '', 4096, 1, 0, 512 + n FROM generate_series(1, 100000) n;
INSERT INTO content SELECT 512 + n, 'x', 'x', CASE WHEN n % 1000 = 0 THEN 'B' || n ELSE '' END, 0 FROM generate_series(1, 100000) n;
INSERT INTO body SELECT 'B' || n, 1, 3, 1 FROM generate_series(1, 100000) n WHERE n % 1000 = 0;
INSERT INTO relied SELECT 'S' || lpad(n::text, 25, '0'), 'd' || n % 100 + 1 || '.example', 512 + n FROM generate_series(1, 100000) n WHERE n % 50 = 0;
INSERT INTO delivery SELECT 'S' || lpad(n::text, 25, '0'), 1, '1', n % 3 + 1, n * 2, 0, 'someone', 'r' || n % 1000 || '.example', 0, '', '', 0, 0, 0, '', '', '', 512 + n
    FROM generate_series(1, 100000) n;
INSERT INTO event (at, kind, session, submission, delivery, login, actor, client, object, code, enhanced, reason, text, data)
    SELECT n, 'message.accepted', 'X' || lpad(n::text, 25, '0'), 'S' || lpad(n::text, 25, '0'), 0,
    'u' || n % 500 + 1 || '@d' || (n % 500 + 1) % 100 + 1 || '.example', '', '', '', 250, '', '', '', '' FROM generate_series(1, 100000) n;
INSERT INTO ban SELECT 'B' || n, '10.' || n / 250 || '.' || n % 250 || '.0/24', '', 'x', 'cli:root', n, n % 3 * n, '', n FROM generate_series(1, 10000) n;
INSERT INTO guard_record SELECT '10.' || n / 250 || '.' || n % 250 || '.1/32', 'u' || n || '@d1.example', 0, NULL, 0, 0, 0, n % 2, 0, 0, 0, 0, 0, n, n FROM generate_series(1, 50000) n;
INSERT INTO limit_rule SELECT 'R' || n, 'account', 'u' || n || '@d' || n % 20 || '.example', 'messages', 'day', 100, 0, 'defer', 0, 0, '', 'cli:root', n, n % 3 * n, '', n FROM generate_series(1, 10000) n;
INSERT INTO limit_rule SELECT 'R' || id, 'credential', id, 'messages', 'day', 100, 0, 'defer', 0, 0, '', 'cli:root', 1, 0, '', 10001 FROM credential;
INSERT INTO access_entry SELECT 'E' || n, 'account', 'u' || n || '@d' || n % 20 || '.example', '10.0.0.0/8', 'deny', 0, 'x', 'cli:root', n, n % 3 * n, '', n FROM generate_series(1, 10000) n;
INSERT INTO access_entry SELECT 'E' || id, 'credential', id, '10.0.0.0/8', 'deny', 0, 'x', 'cli:root', 1, 0, '', 10001 FROM credential;
INSERT INTO queue_total SELECT '1', 1, n, 1, 0, 0 FROM generate_series(1, 256) n;
SELECT setval('content_number', (SELECT max(id) / 512 + 1 FROM content) * 512);
ANALYZE plan, customer, domain, account, credential, credential_use, submission, content, body, relied, delivery, event, ban, guard_record, limit_rule, access_entry, queue_total;
