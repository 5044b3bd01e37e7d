package server

import "testing"

// TestNames names databases without their passwords.
func TestNames(t *testing.T) {
	for url, want := range map[string]string{
		"postgres://gate:secret@db.example.net/mail?sslmode=require":             "postgres://gate@db.example.net:5432/mail",
		"postgres://gate@db1.example.net,db2.example.net:5433/mail?password=x":   "postgres://gate@db1.example.net:5432,db2.example.net:5433/mail",
		"postgres://gate@/mail?host=/run/postgresql&port=5434&password=secret":   "postgres://gate@/mail?host=%2Frun%2Fpostgresql&port=5434",
		"postgres://gate@[2001:db8::1]/mail?target_session_attrs=read-write":     "postgres://gate@2001:db8::1:5432/mail",
		"postgres://gate@db.example.net/mail?search_path=tenant&sslmode=disable": "postgres://gate@db.example.net:5432/mail?search_path=tenant",
	} {
		config, err := poolConfig(Options{URL: url})
		if err != nil {
			t.Fatal(err)
		}
		schema := "public"
		if set := config.ConnConfig.RuntimeParams["search_path"]; set != "" {
			schema = set
		}
		if got := nameOf(config, schema); got != want {
			t.Errorf("%s is named %s, want %s", url, got, want)
		}
	}
}
