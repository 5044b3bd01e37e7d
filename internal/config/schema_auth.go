package config

// Auth is table [auth].
type Auth struct {
	// The SASL mechanisms that are offered, as far as a connection allows them: those
	// with -PLUS need something to bind to, EXTERNAL a client certificate, OAUTHBEARER
	// and XOAUTH2 an [[issuer]] or a Dovecot that verifies tokens. The strongest is offered
	// first, whatever the order here. CRAM-MD5 and DIGEST-MD5 also need accounts or plans that are allowed
	// them ("legacy"), as what is stored for them is as good as the password.
	Mechanisms []string `toml:"mechanisms" default:"EXTERNAL,SCRAM-SHA-256-PLUS,SCRAM-SHA-1-PLUS,SCRAM-SHA-256,SCRAM-SHA-1,OAUTHBEARER,XOAUTH2,PLAIN,LOGIN" since:"0.1" reload:"yes"`
	// The realm of DIGEST-MD5, which its keys are made for: it has to be the same on all
	// gates that share a database, and stay. Set it to the name that clients connect to.
	Realm string `toml:"realm" derived:"hostname" since:"0.1" reload:"no" example:"mail.example.net"`
	// How often SCRAM derives a password. Clients have to do it too at each login.
	// When it is raised, an account follows at its next login that shows its password.
	ScramIterations int `toml:"scram_iterations" default:"10000" min:"4096" max:"1000000" unit:"iterations" since:"0.1" reload:"no"`
	// The numbers that scram_iterations had before, so that accounts which still have
	// one of them do not stand out from names that do not exist.
	ScramIterationsFormer []int `toml:"scram_iterations_former" derived:"none" since:"0.1" reload:"no" example:"4096"`
	// The fewest characters that a new password may have.
	PasswordMinLength int `toml:"password_min_length" default:"12" min:"8" max:"128" unit:"characters" since:"0.1" reload:"no"`
	// How hard to guess a new password must be: 0 asks for nothing, 3 for some 10^8
	// guesses, 4 for 10^10 and more, by zxcvbn, which knows the account's names too.
	PasswordMinScore int `toml:"password_min_score" default:"3" min:"0" max:"4" unit:"of 4" since:"0.1" reload:"no"`
	// A list of passwords that were stolen elsewhere and may not be chosen: lines of
	// SHA-1 in hexadecimal, a colon and a count, in the order of the hashes, or what
	// "countersign breached import" makes of that. A list that is replaced (by
	// renaming another over it) is used at once.
	BreachedFile string `toml:"breached_file" derived:"none" since:"0.1" reload:"no" path:"yes" alternative:"yes" example:"/var/lib/countersign/breached.list"`
	// How many of the last passwords of an account may not come back.
	PasswordHistory int `toml:"password_history" default:"3" min:"0" max:"24" unit:"passwords" since:"0.1" reload:"no"`
	// Memory that one argon2id hash of a new password takes. When this or one of
	// the next two changes, an account's stored hash is renewed at its next
	// login; until the restart after the last one, a failed login costs a hash
	// of each kind that is in use, so that none of them stands out.
	HashMemory Size `toml:"hash_memory" default:"19MiB" min:"7MiB" max:"256MiB" since:"0.1" reload:"no"`
	// Passes of argon2id over that memory.
	HashIterations int `toml:"hash_iterations" default:"2" min:"1" max:"16" unit:"passes" since:"0.1" reload:"no"`
	// Lanes of argon2id: its degree of parallelism.
	HashParallelism int `toml:"hash_parallelism" default:"1" min:"1" max:"8" unit:"lanes" since:"0.1" reload:"no"`
	// Passwords that are verified at the same time; 0 means one for each core.
	// Each needs auth.hash_memory, or what an older hash needs.
	HashWorkers int `toml:"hash_workers" default:"0" min:"0" max:"1024" unit:"hashes" since:"0.1" reload:"no"`
	// Verifications that may wait for a worker. Turns go round the client
	// networks (IPv4 /32 and /24, IPv6 /64 and /48) and the logins that wait.
	// Where more would wait, one of those that share a network or login with
	// the most others is told to come again (454).
	HashQueue int `toml:"hash_queue" default:"256" min:"1" max:"10000" unit:"hashes" since:"0.1" reload:"no"`
	// How long a verified password is remembered, in memory and as a keyed hash
	// only, so that the next session with it is cheap; "0s" for never. A
	// changed or revoked password is forgotten at once. Those of a [[directory]]
	// have its own remember.
	Remember Duration `toml:"remember" default:"3m" max:"1h" since:"0.1" reload:"no"`
}

// Issuer is one table [[issuer]].
type Issuer struct {
	// The name by which record, metrics and OAuth credentials call it.
	Name string `toml:"name" since:"0.1" reload:"no" required:"yes" example:"acme-login"`
	// The issuer as it stands in its tokens ("iss"), to the letter, a slash at the end
	// included. https; http for loopback addresses alone.
	URL string `toml:"url" since:"0.1" reload:"no" required:"yes" example:"https://login.example.net/realms/mail"`
	// The audiences of which a token must name one. At least one is needed, unless
	// the issuer is asked about every token.
	Audiences []string `toml:"audiences" derived:"none" since:"0.1" reload:"no" example:"countersign"`
	// The sender domains that it may speak for. Leave it out only for a provider that
	// you run yourself: such a one may name anybody.
	Domains []string `toml:"domains" derived:"all" since:"0.1" reload:"no" example:"example.org"`
	// The scopes that a token must all have.
	Scopes []string `toml:"scopes" derived:"none" since:"0.1" reload:"no" example:"smtp"`
	// The claim that names the user: the login of an account, unless an OAuth
	// credential says otherwise.
	Claim string `toml:"claim" default:"email" since:"0.1" reload:"no" example:"preferred_username"`
	// Which accounts its tokens open: those with an OAuth credential for the user
	// ("credential add LOGIN NAME --oauth"), or by the "claim" alone also the one whose
	// login that is. Then no account can be closed to them but by suspending it.
	Accounts string `toml:"accounts" default:"credential" oneof:"credential,claim" since:"0.1" reload:"no"`
	// Whether an "email" must be called verified by the token. Otherwise a token may be
	// silent about that, but not deny it.
	RequireVerified bool `toml:"require_verified" default:"false" since:"0.1" reload:"no"`
	// Whether JWTs must be of type at+jwt, so that ID tokens are refused. Few
	// providers set it.
	AccessTokensOnly bool `toml:"access_tokens_only" default:"false" since:"0.1" reload:"no"`
	// The algorithms that its tokens may be signed with. "none" and HMAC are never
	// taken.
	Algorithms []string `toml:"algorithms" default:"RS256,ES256,PS256,EdDSA" since:"0.1" reload:"no"`
	// Where its keys are, where discovery at its URL does not say.
	JWKSURL string `toml:"jwks_url" derived:"by discovery" since:"0.1" reload:"no" example:"https://login.example.net/keys"`
	// A file with its keys, in place of asking for them.
	JWKSFile string `toml:"jwks_file" derived:"none" since:"0.1" reload:"no" path:"yes" alternative:"yes" example:"/etc/countersign/acme-login.jwks"`
	// How far its clock and this one may differ.
	Leeway Duration `toml:"leeway" default:"30s" max:"5m" since:"0.1" reload:"no"`
	// The root certificates, in PEM, that the provider must be certified by, in place
	// of the system's.
	CAFile string `toml:"ca_file" derived:"the system's" since:"0.1" reload:"no" path:"yes" alternative:"yes" example:"/etc/countersign/login-root.pem"`
	// Who this gate is where it asks the issuer about opaque tokens (RFC 7662); without
	// it these are refused.
	ClientID string `toml:"client_id" derived:"none" since:"0.1" reload:"no" alternative:"yes" example:"countersign"`
	// The file with the secret for that, one line.
	ClientSecretFile string `toml:"client_secret_file" derived:"none" since:"0.1" reload:"no" path:"yes" alternative:"yes" example:"/etc/countersign/acme-login.secret"`
	// Where it is asked, where discovery does not say.
	IntrospectionURL string `toml:"introspection_url" derived:"by discovery" since:"0.1" reload:"no" example:"https://login.example.net/introspect"`
	// Whether it is asked about every token, so that one that was revoked is refused
	// before its time is over.
	IntrospectAll bool `toml:"introspect_all" default:"false" since:"0.1" reload:"no"`
	// How long such an answer is kept. A revoked token is good for as long.
	IntrospectionKeep Duration `toml:"introspection_keep" default:"1m" max:"5m" since:"0.1" reload:"no"`
}

// Directory is one table [[directory]].
type Directory struct {
	// The name by which record, metrics and accounts call it.
	Name string `toml:"name" since:"0.1" reload:"no" required:"yes" example:"panel"`
	// What it is: "dovecot" asks the Dovecot of this machine, "ldap" an LDAP server, "sql"
	// a PostgreSQL, MySQL or MariaDB database, "http" a program of yours.
	Kind string `toml:"kind" oneof:"dovecot,ldap,sql,http" since:"0.1" reload:"no" required:"yes" example:"sql"`
	// The domains whose accounts it knows. Without any it is asked about every login that
	// is no account yet. Several are asked in their order until one knows the login.
	Domains []string `toml:"domains" derived:"all" since:"0.1" reload:"no" example:"example.org"`
	// Where it is: the path of the socket, or host and port, for "dovecot";
	// ldaps://host, ldap://host or ldapi:// and a path for "ldap";
	// "postgres://user@host/database" or "mysql://user@host/database" for
	// "sql"; https, or http on this machine, for "http". It must not hold a password.
	URL string `toml:"url" since:"0.1" reload:"no" required:"yes" example:"mysql://countersign@127.0.0.1/vmail"`
	// The file with the password of the database's user, or of bind_dn, one line.
	PasswordFile string `toml:"password_file" when:"kind=sql|ldap" derived:"none" since:"0.1" reload:"no" path:"yes" alternative:"yes" example:"/etc/countersign/panel.password"`
	// One SELECT that finds an account by :login, :local or :domain, with columns named
	// login and password, and if you like plan, customer, disabled, aliases and
	// allow_nets.
	Query string `toml:"query" when:"kind=sql" derived:"none" since:"0.1" reload:"no" example:"SELECT username AS login, password FROM mailbox WHERE username = :login AND active = 1"`
	// The scheme of hashes that name none, such as "SHA512-CRYPT".
	Scheme string `toml:"scheme" when:"kind=sql" derived:"none" since:"0.1" reload:"no" example:"SHA512-CRYPT"`
	// All kinds of hashes that it has, by Dovecot's scheme or as "bcrypt", with what they cost behind a
	// colon: "bcrypt:10", "SHA512-CRYPT", "ARGON2ID:m=65536,t=3,p=1", "PBKDF2-SHA256:600000". A
	// login that fails costs as much from the first on, so that names that it does not have cannot be told by
	// time. Kinds that are not named are learned when somebody has logged in with one, and named in the log.
	Hashes []string `toml:"hashes" when:"kind=sql|ldap|http" derived:"learned from logins" since:"0.1" reload:"no" example:"bcrypt:10"`
	// The file with the key that signs requests, at least 32 octets.
	KeyFile string `toml:"key_file" when:"kind=http" derived:"none" since:"0.1" reload:"no" path:"yes" alternative:"yes" example:"/etc/countersign/panel.key"`
	// Whether it is sent the password, so that it may verify it. Otherwise it has to
	// answer with a hash.
	SendPassword bool `toml:"send_password" when:"kind=http" default:"false" since:"0.1" reload:"no" alternative:"yes"`
	// The root certificates, in PEM, that it must be certified by, in place of the
	// system's.
	CAFile string `toml:"ca_file" when:"kind=http|ldap" derived:"the system's" since:"0.1" reload:"no" path:"yes" alternative:"yes" example:"/etc/countersign/panel-root.pem"`
	// Whether an ldap:// connection is encrypted by StartTLS. It must be, unless the
	// host is this machine.
	StartTLS bool `toml:"start_tls" when:"kind=ldap" default:"false" since:"0.1" reload:"no" alternative:"yes"`
	// The account that searches; nobody without.
	BindDN string `toml:"bind_dn" when:"kind=ldap" derived:"none" since:"0.1" reload:"no" alternative:"yes" example:"cn=gate,dc=example,dc=net"`
	// The DN that a user binds as, with {login}, {local} or {domain} in it. Without it users
	// are searched first.
	UserDN string `toml:"user_dn" when:"kind=ldap" derived:"none" since:"0.1" reload:"no" alternative:"yes" example:"uid={local},ou=people,dc=example,dc=net"`
	// Where users are searched.
	SearchBase string `toml:"search_base" when:"kind=ldap" derived:"none" since:"0.1" reload:"no" alternative:"yes" example:"ou=people,dc=example,dc=net"`
	// The filter that finds a user, with {login}, {local} or {domain} in it.
	SearchFilter string `toml:"search_filter" when:"kind=ldap" derived:"none" since:"0.1" reload:"no" alternative:"yes" example:"(mail={login})"`
	// A filter that the entries of disabled accounts match.
	DisabledFilter string `toml:"disabled_filter" when:"kind=ldap" derived:"none" since:"0.1" reload:"no" alternative:"yes" example:"(accountStatus=disabled)"`
	// The attribute that holds the account's address.
	LoginAttribute string `toml:"login_attribute" when:"kind=ldap" derived:"none" since:"0.1" reload:"no" alternative:"yes" example:"mail"`
	// The attribute that holds the hash of the password. Without it the user is bound as.
	PasswordAttribute string `toml:"password_attribute" when:"kind=ldap" derived:"none" since:"0.1" reload:"no" alternative:"yes" example:"userPassword"`
	// The attribute that holds the plan, or groups that group_plans names; of a Dovecot,
	// the extra field of its passdb that holds the plan.
	PlanAttribute string `toml:"plan_attribute" when:"kind=ldap|dovecot" derived:"none" since:"0.1" reload:"no" alternative:"yes" example:"memberOf"`
	// The attribute, or Dovecot's extra field, that holds the customer's name.
	CustomerAttribute string `toml:"customer_attribute" when:"kind=ldap|dovecot" derived:"none" since:"0.1" reload:"no" alternative:"yes" example:"o"`
	// The attribute that holds further addresses, or Dovecot's extra field, in which they
	// are apart by commas or spaces.
	AliasAttribute string `toml:"alias_attribute" when:"kind=ldap|dovecot" derived:"none" since:"0.1" reload:"no" alternative:"yes" example:"mailAlternateAddress"`
	// The attribute that holds networks to which logins are bound.
	NetworkAttribute string `toml:"network_attribute" when:"kind=ldap" derived:"none" since:"0.1" reload:"no" alternative:"yes" example:"allowedNetwork"`
	// Which plan a group gives, as "PLAN=GROUP"; the first that a user is in counts.
	GroupPlans []string `toml:"group_plans" when:"kind=ldap" derived:"none" since:"0.1" reload:"no" alternative:"yes" example:"gold=cn=gold,ou=groups,dc=example,dc=net"`
	// Where the groups of a user are searched, where no attribute of the user names them.
	GroupBase string `toml:"group_base" when:"kind=ldap" derived:"none" since:"0.1" reload:"no" alternative:"yes" example:"ou=groups,dc=example,dc=net"`
	// The filter that finds them, which may have {dn} in it, too.
	GroupFilter string `toml:"group_filter" when:"kind=ldap" derived:"none" since:"0.1" reload:"no" alternative:"yes" example:"(member={dn})"`
	// An entry with a password that nobody knows. It is bound as for logins that are unknown, so
	// that these take as long as a wrong password.
	DecoyDN string `toml:"decoy_dn" when:"kind=ldap" derived:"none" since:"0.1" reload:"no" alternative:"yes" example:"cn=nobody,dc=example,dc=net"`
	// The domain of user names without an "@".
	DefaultDomain string `toml:"default_domain" when:"kind=dovecot" derived:"none" since:"0.1" reload:"no" alternative:"yes" example:"example.org"`
	// Whether it is also asked over a network that is not this machine's. What passes is
	// not encrypted: it is for containers of one machine.
	TrustNetwork bool `toml:"trust_network" when:"kind=dovecot" default:"false" since:"0.1" reload:"no" alternative:"yes"`
	// Whether CRAM-MD5 and DIGEST-MD5 are its own, too. In these the server speaks before it
	// knows whose password is to be proved, so they work then for no account of the store.
	PassChallenges bool `toml:"pass_challenges" when:"kind=dovecot" default:"false" since:"0.1" reload:"no" alternative:"yes"`
	// Whether it is asked about bearer tokens (OAUTHBEARER, XOAUTH2), where it offers to be and
	// no [[issuer]] speaks for the domain. Its own settings decide which tokens are good.
	Tokens bool `toml:"tokens" when:"kind=dovecot" default:"true" since:"0.1" reload:"no" alternative:"yes"`
	// Whether it takes the name of a user from the gate, without a password: its
	// auth_mechanisms have external, auth_ssl_username_from_cert is set, and a passdb looks users
	// up for that mechanism. Then it can be asked how accounts stand.
	External bool `toml:"external" when:"kind=dovecot" default:"false" since:"0.1" reload:"no" alternative:"yes"`
	// Which accounts client certificates open: those that have one as a credential ("credential
	// add LOGIN NAME --certificate"), or by the "name" alone also the one whose login an address
	// in the certificate is, as client_names of the listener has it, once the directory has been asked by
	// "external". Then no account of it can be closed to them but by suspending it.
	Certificates string `toml:"certificates" when:"kind=dovecot" default:"credential" oneof:"credential,name" since:"0.1" reload:"no" alternative:"yes"`
	// How long a question may take; then the client is told to come again (454).
	Timeout Duration `toml:"timeout" default:"5s" min:"100ms" max:"30s" since:"0.1" reload:"no"`
	// The most questions at once.
	Connections int `toml:"connections" default:"8" min:"1" max:"1000" unit:"questions" since:"0.1" reload:"no"`
	// After so many questions in a row without an answer it is left alone for a while, and
	// clients are told to come again at once.
	Failures int `toml:"failures" default:"5" min:"1" max:"1000" unit:"questions" since:"0.1" reload:"no"`
	// How long a password that it has verified is remembered, as auth.remember is for
	// the others; "0s" for never. One that is changed there is good for so long.
	Remember Duration `toml:"remember" default:"1m" max:"1h" since:"0.1" reload:"no"`
	// How long it is left alone then.
	Pause Duration `toml:"pause" default:"10s" min:"1s" max:"10m" since:"0.1" reload:"no"`
	// Whether it is asked if an account is still there and enabled, where that logs in with
	// something that is kept here: an app password, a token, a certificate, a network. The
	// answer is remembered for as long as a password. A Dovecot can be asked by "external" alone. While the directory is down such logins are
	// told to come again (454).
	AskStanding bool `toml:"ask_standing" default:"true" since:"0.1" reload:"no"`
	// The plans that its answers may give to accounts; any other that it names counts for
	// nothing. Without any it may give every plan, unless it is for some domains alone: then
	// none but those of group_plans.
	Plans []string `toml:"plans" derived:"all, or none with domains" since:"0.1" reload:"no" example:"basic"`
	// Whether an account gets the further addresses that the answer has in its own domain,
	// at each login: those that the directory does not name any more go. Switch it on only
	// where one that is somebody else's mailbox is never among them.
	Aliases bool `toml:"aliases" default:"false" since:"0.1" reload:"no"`
	// The customer of whom a domain becomes that is not known yet, where the answer names
	// none, or the directory is for some domains alone. Without it an account of such a domain cannot log in until "domain add".
	Customer string `toml:"customer" derived:"none" since:"0.1" reload:"no" example:"hosting"`
	// Whether domains that are not known yet are added, with new DKIM keys, at the first
	// login of an account of theirs; and customers that answers name.
	CreateDomains bool `toml:"create_domains" default:"false" since:"0.1" reload:"no"`
	// How many accounts this gate makes for it in an hour; further logins of accounts that
	// are not there yet are told to come again (454).
	MaxNewAccounts int `toml:"max_new_accounts" default:"1000" min:"0" max:"100000" unit:"accounts an hour" since:"0.1" reload:"no"`
	// How many domains this gate makes for it in an hour, each with new DKIM keys.
	MaxNewDomains int `toml:"max_new_domains" default:"50" min:"0" max:"10000" unit:"domains an hour" since:"0.1" reload:"no"`
}
