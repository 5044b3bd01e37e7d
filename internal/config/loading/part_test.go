package loading

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestLoadPart loads files with a mistake for a command that needs the store
// and the options named.
func TestLoadPart(t *testing.T) {
	const (
		good = `hostname = "mail.example.net"
data_dir = "data"
[[listener]]
name = "submission"
kind = "submission"
address = ["127.0.0.1:0"]
[[certificate]]
name = "main"
source = "self-signed"
`
		unclosed  = "[[listener]]\nname = \"second\naddress = [\":465\"]\n"
		elsewhere = "elsewhere"
	)
	for name, c := range map[string]struct {
		file  string
		needs []string
		// want is elsewhere, or a part of the error.
		want string
	}{
		"nothing wrong":              {good, nil, ""},
		"a listener":                 {good + "[[listener]]\nname = \"x\"\nkind = \"smtp\"\n", nil, elsewhere},
		"a listener, not TOML":       {good + unclosed, nil, elsewhere},
		"the first line, not TOML":   {"hostname = mail\n" + good[strings.Index(good, "\n")+1:], nil, elsewhere},
		"a header, not TOML":         {good + "[[listener\nname = \"x\"\n", nil, elsewhere},
		"a header misspelt":          {strings.Replace(good, "[[listener]]", "[[listner]]", 1), nil, elsewhere},
		"an option in a wrong table": {good + "[log]\nmax_messages = 3\n", nil, elsewhere},
		"hashing":                    {good + "[auth]\nhash_memory = \"1KiB\"\n", nil, elsewhere},
		"hashing, needed":            {good + "[auth]\nhash_memory = \"1KiB\"\n", []string{"auth"}, "auth.hash_memory"},
		"hashing, unknown, needed":   {good + "[auth]\nmemory_of_all = 1\n", []string{"auth"}, "auth.memory_of_all"},
		"hashing, hidden, needed":    {good + "[auth]\nhash_memory = 8MiB\n", []string{"auth"}, "not TOML"},
		"another option of [auth]":   {good + "[auth]\nhash_memory = \"1KiB\"\n", []string{"auth.hash_iterations"}, elsewhere},
		"no hostname":                {strings.Replace(good, "hostname", "#", 1), nil, elsewhere},
		"no hostname, needed":        {strings.Replace(good, "hostname", "#", 1), []string{"hostname"}, "hostname: is required"},
		"a key file elsewhere":       {good + "[[certificate]]\nname = \"f\"\nsource = \"files\"\ncert_file = \"no.crt\"\nkey_file = \"no.key\"\n", []string{"dkim.key_file"}, elsewhere},
		"the place":                  {strings.Replace(good, `"data"`, `7`, 1), nil, "data_dir: must be a string"},
		"the place misspelt":         {strings.Replace(good, "data_dir", "datadir", 1), nil, "did you mean data_dir?"},
		"the place unrecognisable":   {strings.Replace(good, "data_dir", "where", 1), nil, "where: unknown option"},
		"the place too late":         {strings.Replace(good, "data_dir", "# ", 1) + "[log]\ndata_dir = \"x\"\n", nil, "log.data_dir: unknown option"},
		"the place twice":            {good[:strings.Index(good, "[[")] + good[strings.Index(good, "data_dir"):], nil, "set already"},
		"the place, not TOML":        {strings.Replace(good, `"data"`, `data`, 1), nil, "not TOML"},
		"the place after not TOML":   {strings.Replace(good, "hostname", "\"hostname", 1), nil, elsewhere},
		"the store, not TOML":        {good + "[store]\nurl = \"sqlite:x\n", nil, "not TOML"},
		"a header before, not TOML":  {good + "[store\nurl = \"sqlite:x\"\n", nil, "not TOML"},
		"the store misspelt":         {good + "[stor]\nurl = \"sqlite:x\"\n", nil, "did you mean store?"},
		"the store in no table":      {"url = \"sqlite:x\"\n" + good, nil, "it belongs under [store]"},
		"an option of the store":     {good + "[store]\npath = \"x\"\n", nil, "store.path: unknown option"},
		"another engine":             {good + "[store]\nurl = \"mysql:x\"\n", nil, "store.url"},
		"another engine, not TOML":   {good + "[store]\nurl = \"mysql:x\"\n" + unclosed, nil, "store.url"},
		"a comment on the store":     {good + unclosed + "# url = \"x\"\n", nil, elsewhere},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "countersign.toml")
			if err := os.WriteFile(path, []byte(c.file), 0o600); err != nil {
				t.Fatal(err)
			}
			got, mistakes, err := LoadPart(path, c.needs...)
			if c.want != "" && c.want != elsewhere {
				if err == nil || !strings.Contains(err.Error(), c.want) || got != nil {
					t.Fatalf("got %v, %v", got, err)
				}
				return
			}
			if err != nil || (mistakes > 0) != (c.want == elsewhere) {
				t.Fatalf("%d mistakes, %v", mistakes, err)
			}
			if want := filepath.Join(filepath.Dir(path), "data", "countersign.db"); got.StorePath() != want {
				t.Errorf("the store is at %s", got.StorePath())
			}
		})
	}
	if _, _, err := LoadPart(filepath.Join(t.TempDir(), "none.toml")); err == nil || !strings.Contains(err.Error(), "cannot be read") {
		t.Errorf("without a file: %v", err)
	}
}
