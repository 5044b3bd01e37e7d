package cli

import (
	"errors"
	"fmt"
	"io"
	"reflect"
	"regexp"
	"strconv"
	"strings"

	"github.com/alecthomas/kong"
)

// grammar is what a command line may say.
type grammar struct {
	// commands is a pointer to root, or to what has a part of its fields.
	commands any
	// config is where the name of the configuration file will be.
	config *string
}

// only is the grammar with the one command that args name; nil where they name none.
// The parser takes longer to understand all commands than most of them take to run.
func only(whole *root, args []string) *grammar {
	all := reflect.ValueOf(whole).Elem()
	var fields []reflect.StructField
	commands := map[string]reflect.StructField{}
	for _, f := range reflect.VisibleFields(all.Type()) {
		name := f.Tag.Get("name")
		if name == "" {
			name = strings.ToLower(f.Name)
		}
		if _, command := f.Tag.Lookup("cmd"); command {
			commands[name] = f
		} else if !f.Anonymous {
			fields = append(fields, f)
		}
	}
	for _, arg := range args {
		command, named := commands[arg]
		if !named {
			continue
		}
		fields = append(fields, command)
		part := reflect.New(reflect.StructOf(fields)).Elem()
		for i, f := range fields {
			part.Field(i).Set(all.FieldByIndex(f.Index))
		}
		return &grammar{part.Addr().Interface(), part.FieldByName("Config").Addr().Interface().(*string)}
	}
	return nil
}

// reading is a command line that was read.
type reading struct {
	parser *kong.Kong // nil where there is none, see err
	parsed *kong.Context
	config *string
	// ended says that what was asked for, help or the version, has been printed.
	ended bool
	err   error
}

// errNoGrammar is what a command line comes to without a grammar.
var errNoGrammar = errors.New("no command is named")

// read reads a command line by a grammar, which may be nil.
func read(args []string, g *grammar, stdout, stderr io.Writer, version string) (r reading) {
	if g == nil {
		r.err = errNoGrammar
		return r
	}
	r.config = g.config
	r.parser, r.err = kong.New(g.commands,
		kong.Name("countersign"),
		kong.Description("Countersign, the outgoing mail gate of hosting providers."),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, NoExpandSubcommands: true}),
		kong.Help(help),
		kong.KindMapper(reflect.Int, kong.MapperFunc(number)),
		kong.Writers(stdout, stderr),
		kong.Vars{"version": "countersign " + version},
		kong.Exit(func(int) { r.ended = true }),
	)
	if r.err == nil {
		r.parsed, r.err = r.parser.Parse(args)
	}
	return r
}

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
