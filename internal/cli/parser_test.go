package cli

import (
	"strings"
	"testing"

	"countersign/internal/cli/accounts"
)

// TestCommandsAreReadAlone: by its own part of the grammar a command is read as it is by
// the whole, and where that part cannot be the right one the whole says what is wrong.
func TestCommandsAreReadAlone(t *testing.T) {
	var want strings.Builder
	whole := &root{Groups: accounts.New()}
	all := read([]string{"--help"}, &grammar{whole, &whole.Config}, &want, &want, "1")
	commands := all.parser.Model.Children
	if len(commands) < 20 {
		t.Fatalf("there are %d commands", len(commands))
	}
	for _, command := range commands {
		args := []string{"--config", "x.toml", command.Name, "--help"}
		want.Reset()
		_, _ = all.parser.Parse(args) // which prints, and ends
		var got strings.Builder
		line := read(args, only(&root{Groups: accounts.New()}, args), &got, &got, "1")
		if line.parser == nil || len(line.parser.Model.Children) != 1 || !line.ended || *line.config != "x.toml" {
			t.Errorf("%s: got %+v", command.Name, line)
		}
		if got.String() != want.String() || got.Len() == 0 {
			t.Errorf("%s: alone it says\n%s\nwant\n%s", command.Name, &got, &want)
		}
	}
	if g := only(&root{}, []string{"--config", "x.toml", "nothing"}); g != nil {
		t.Errorf("a command that there is not is %+v", g)
	}
	for _, text := range []string{"nothing", "--config ban queue nothing", "queue list --limits", "--config ban queue list --limits"} {
		args := strings.Fields(text)
		_, err := all.parser.Parse(args)
		if err == nil {
			t.Fatalf("%s: nothing is wrong", text)
		}
		if status, out, errs := command(args, ""); status != statusUsage || !strings.HasPrefix(errs, "countersign: "+misread(err)+"\n") || out != "" {
			t.Errorf("%s: status %d, %s%s, want %v", text, status, out, errs, err)
		}
	}
}
