package loading

import "countersign/internal/config"

// database checks what says how a database on a server is used.
func (v *validator) database() {
	if v.c.Store.InPostgres() || v.Failed("store.url") {
		return
	}
	for _, path := range []string{"store.connections", "store.patience"} {
		if v.IsSet(path) && !v.Failed(path) {
			v.Fail(path, "remove it, or name one in store.url", "is for a PostgreSQL database alone")
		}
	}
}

// node checks which node this is. A store that only one process can use has none.
func (v *validator) node() {
	if !v.c.Store.InPostgres() {
		if v.c.Node.ID != "" && !v.Failed("store.url") {
			v.Fail("node.id", "remove it, or name one in store.url", "is for gates that share a PostgreSQL database")
		}
		return
	}
	id := v.c.Node.ID
	switch {
	case id == "" && v.IsSet("node.id"):
		v.Fail("node.id", "", "must not be empty")
	case id == "":
	case !config.IsNodeID(id):
		v.Fail("node.id", `for example "gate-1"`, `%q is not a name of at most %d letters, digits, "-", "_" and "."`, id, config.MaxNodeID)
	}
}
