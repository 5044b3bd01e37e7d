package cli

import (
	"errors"
	"fmt"
	"reflect"
	"regexp"
	"strconv"
	"strings"

	"github.com/alecthomas/kong"
)

// noConfig reports whether the command takes nothing from the configuration
// file: it has the tag noconfig.
func noConfig(parsed *kong.Context) bool {
	for node := parsed.Selected(); node != nil; node = node.Parent {
		if node.Tag != nil && node.Tag.Has("noconfig") {
			return true
		}
	}
	return false
}

// help prints the help of a command, without --config where that means nothing.
func help(options kong.HelpOptions, parsed *kong.Context) error {
	for _, flag := range parsed.Model.Flags {
		if flag.Name == "config" {
			flag.Hidden = noConfig(parsed)
		}
	}
	return kong.DefaultHelpPrinter(options, parsed)
}

// number reads a whole number.
func number(ctx *kong.DecodeContext, target reflect.Value) error {
	var text string
	if err := ctx.Scan.PopValueInto("number", &text); err != nil {
		return err
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		return fmt.Errorf("%q is not a whole number", text)
	}
	target.SetInt(int64(n))
	return nil
}

// namesNothing reports whether a command line has no command at all.
func namesNothing(err error) bool {
	var wrong *kong.ParseError
	return errors.As(err, &wrong) && wrong.Context.Selected() == nil && strings.HasPrefix(err.Error(), "expected one of ")
}

// position is how the parser names an argument before what is wrong with it.
var position = regexp.MustCompile(`^\[?<[a-z-]+>\]?: `)

// misread puts into words why a command line cannot be read.
func misread(err error) string {
	text := position.ReplaceAllString(err.Error(), "")
	if file, ok := strings.CutPrefix(text, "unexpected argument "); ok && strings.HasSuffix(file, ".toml") {
		text += "; did you mean --config " + file + "?"
	}
	return text
}
