package repocheck

import (
	"slices"
	"strconv"
	"strings"
	"testing"
)

// The import table of docs/architecture.md. Levels: 0 vocabulary, 1 protocol,
// 2 domain, 3 the two sentences of the product, 4 adapters, 5 composition.
var (
	level0 = []string{"mail", "fault"}
	level1 = []string{"smtp", "sasl", "message", "dkim", "dsn", "mx", "smtpclient"}
	level2 = []string{"account", "queue", "audit"}
	level3 = []string{"submission", "delivery", "delivery/route"}
	level4 = []string{"smtpserver", "cert", "store/sqlite", "obs"}
)

// allowed lists which packages of ours each package may import.
func allowed() map[string][]string {
	table := map[string][]string{
		"mail":                  {},
		"fault":                 {},
		"smtp":                  level0,
		"sasl":                  level0,
		"message":               level0,
		"dkim":                  level0,
		"mx":                    level0,
		"dsn":                   join(level0, []string{"smtp", "message"}),
		"smtpclient":            join(level0, []string{"smtp", "message"}),
		"audit":                 level0,
		"account":               join(level0, []string{"audit"}),
		"queue":                 join(level0, []string{"audit"}),
		"submission":            join(level0, level1, level2, []string{"smtpserver"}),
		"delivery":              join(level0, level1, level2, []string{"delivery/backlog", "delivery/route"}),
		"delivery/backlog":      join(level0, level2),
		"delivery/route":        join(level0, []string{"smtpclient"}),
		"smtpserver":            join(level0, []string{"smtp", "sasl", "smtpserver/wire"}),
		"smtpserver/wire":       join(level0, []string{"smtp"}),
		"cert":                  join(level0, []string{"cert/issuer"}),
		"cert/issuer":           level0,
		"obs":                   level0,
		"store/sqlite":          join(level0, level2, []string{"store/sqlite/bodies", "store/sqlite/database"}),
		"store/sqlite/bodies":   level0,
		"store/sqlite/database": level0,
		"store/storetest":       join(level0, level2),
		"testkit":               join(level0, level1, level2),
		"testkit/pgcluster":     {"testkit"},
		"config":                join(level0, []string{"config/option", "config/source", "config/value"}),
		"config/option":         {"config/source", "config/value"},
		"config/source":         {"fault"},
		"config/value":          {},
		"config/generate":       {"config"},
		"loadgen":               join(level0, level1, []string{"sink"}),
		"sink":                  join(level0, level1),
		"quickstart":            join(level0, level1, level2, []string{"app", "config", "loadgen", "sink"}),
		"app":                   join(level0, level1, level2, level3, level4, []string{"config"}),
		"cli":                   join(level0, level1, level2, []string{"config", "app", "loadgen", "sink", "quickstart", "cli/story", "cli/table"}),
		"cli/story":             join(level0, level2, []string{"cli/table"}),
		"cli/table":             {},
		"reference":             {"audit", "smtp"},
		"repocheck":             {},
		"cmd/countersign":       {"cli"},
	}
	return table
}

// drivers are modules that one package alone may import, with the reason.
var drivers = map[string]string{
	"modernc.org/sqlite":             "internal/store/sqlite/database", // the engine is the only one that knows its driver
	"github.com/miekg/dns":           "internal/mx",                    // DNS stands behind mx alone
	"github.com/pires/go-proxyproto": "internal/smtpserver/wire",
	"github.com/emersion/go-msgauth": "internal/dkim",
	"github.com/pelletier/go-toml":   "internal/config/source",
	"golang.org/x/crypto/acme":       "internal/cert/issuer",
	"golang.org/x/crypto/argon2":     "internal/account",
	"github.com/jackc/pgx":           "internal/testkit/pgcluster",
}

// alsoDrivers are exceptions to drivers, with the reason.
var alsoDrivers = map[string]string{
	"internal/testkit github.com/miekg/dns": "the resolver double is a DNS server",
}

func join(lists ...[]string) []string { return slices.Concat(lists...) }

// short turns a folder into its name in the table.
func short(pkg string) string { return strings.TrimPrefix(pkg, "internal/") }

func TestImportsFollowTheTable(t *testing.T) {
	table := allowed()
	for _, s := range sources(t) {
		if strings.HasPrefix(s.pkg, "test/") {
			continue // tests may use anything
		}
		may, known := table[short(s.pkg)]
		if !known {
			t.Errorf("%s: package %s is not in the import table of repocheck and docs/architecture.md", s.path, s.pkg)
			continue
		}
		for _, spec := range s.file.Imports {
			path, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				t.Fatal(err)
			}
			checkImport(t, s, path, may)
		}
	}
}

// checkImport reports one import that the table or the list of drivers forbids.
func checkImport(t *testing.T, s source, path string, may []string) {
	t.Helper()
	if ours, ok := strings.CutPrefix(path, module+"/"); ok {
		if name := short(ours); !slices.Contains(may, name) {
			t.Errorf("%s imports %s: the import table allows %s only %v", s.path, name, short(s.pkg), may)
		}
		return
	}
	for driver, owner := range drivers {
		if !strings.HasPrefix(path, driver) || s.pkg == owner {
			continue
		}
		if _, excepted := alsoDrivers[s.pkg+" "+driver]; !excepted {
			t.Errorf("%s imports %s, which belongs to %s alone", s.path, path, owner)
		}
	}
	if level := short(s.pkg); level == "fault" && strings.Contains(strings.SplitN(path, "/", 2)[0], ".") {
		t.Errorf("%s imports %s: fault uses the standard library only", s.path, path)
	}
}

func TestTableHasNoDeadRows(t *testing.T) {
	seen := map[string]bool{}
	for _, s := range sources(t) {
		seen[short(s.pkg)] = true
	}
	for name := range allowed() {
		if !seen[name] {
			t.Errorf("import table has a row for %s, which does not exist", name)
		}
	}
}
