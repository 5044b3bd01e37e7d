package directories

import (
	"strconv"
	"strings"

	"countersign/internal/config"
	"countersign/internal/config/loading"
	"countersign/internal/directory"
	"countersign/internal/directory/database"
	"countersign/internal/directory/dovecot"
	"countersign/internal/directory/ldap"
	"countersign/internal/directory/web"
)

// Judge says what Open would refuse, all at once and without asking anybody. It
// implements loading.Judge. What the configuration itself requires of a directory, and
// is not there, is not said again.
func Judge(c *config.Config) (all []loading.Finding) {
	for i := range c.Directories {
		for _, e := range check(&c.Directories[i]) {
			why, suggestion, _ := strings.Cut(e.Error(), "; ")
			all = append(all, loading.Finding{Path: "directory[" + strconv.Itoa(i) + "]." + e.Option, Text: why, Suggestion: suggestion})
		}
	}
	return all
}

// check judges the options of one that are enough to be judged.
func check(d *config.Directory) directory.OptionErrors {
	if d.URL == "" {
		return nil
	}
	switch d.Kind {
	case "dovecot":
		return dovecot.Check(Dovecot(d))
	case "ldap":
		return ldap.Check(LDAP(d))
	case "http":
		return web.Check(Callback(d, nil), d.KeyFile)
	case "sql":
		return database.Check(Database(d))
	}
	return nil
}
