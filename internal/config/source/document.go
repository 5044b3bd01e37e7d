// Package source is a configuration file as text: Parse turns TOML into Nodes
// that know their lines and shapes, and a Report collects what is wrong at
// which line until the whole file has been judged.
//
// It does not know which options there are; packages option and config do. The
// format is TOML 1.0.
package source

import (
	"bytes"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/pelletier/go-toml/v2"
	"github.com/pelletier/go-toml/v2/unstable"
)

// Shape is the kind of a TOML value as far as options tell them apart.
type Shape uint8

// The shapes. If you add one, name it below.
const (
	Table Shape = iota
	List
	String
	Integer
	Bool
	Float
	Date

	shapeCount // keep last
)

var shapeNames = [shapeCount]string{
	Table: "a table", List: "a list", String: "a string", Integer: "an integer",
	Bool: "true or false", Float: "a number with a fraction", Date: "a date or time",
}

// String returns the shape in words, with its article.
func (s Shape) String() string { return shapeNames[s] }

// Node is a value of the document with its line.
type Node struct {
	Shape Shape
	// Line counts from 1.
	Line int
	// Text is the value of a string, else the value as written.
	Text string
	// Number is the value of an integer.
	Number int64
	// Items are the values of a list.
	Items []*Node
	// Keys are the keys of a table in their order, Fields their values.
	Keys   []string
	Fields map[string]*Node
	// raw is a string as it stands in the file, with its quotes, from column on.
	raw    []byte
	column int
	// opened says that a [header] has named this table already.
	opened bool
}

func newTable(line int) *Node {
	return &Node{Shape: Table, Line: line, Fields: map[string]*Node{}}
}

// document reads a file into nodes. The decoder of the TOML library stops at the first
// value of a wrong type and keeps no lines, so only its parser is used here.
type document struct {
	parser unstable.Parser
	report *Report
	// skipped is the number of lines before the parser's input.
	skipped int
	root    *Node
	// table is where keys go, at path "prefix.".
	table  *Node
	prefix string
	// broken says that something could not be read, so that what seems to be missing
	// may be there; unsound that there is a mistake which does not hide anything.
	broken, unsound bool
}

// Parse reads data as far as it can be understood and reports what cannot.
// whole is false when something may be missing from root.
func Parse(data []byte, r *Report) (root *Node, whole bool) {
	data = bytes.TrimPrefix(data, []byte("\xef\xbb\xbf"))
	d := &document{report: r, root: newTable(1)}
	d.table = d.root
	for rest := data; rest != nil; {
		d.parser.Reset(rest)
		for d.parser.NextExpression() {
			d.expression(d.parser.Expression())
		}
		rest = d.recover(rest)
	}
	if !d.broken && !d.unsound {
		d.confirm(data)
	}
	return d.root, !d.broken
}

// resumable matches a line at which reading can go on after an error.
var resumable = regexp.MustCompile(`(?m)^[ \t]*(\[{1,2}[a-z0-9_. ]+\]{1,2}|[a-z0-9_]+[ \t]*=)`)

// unquoted matches a line whose value seems to be text without quotes.
var unquoted = regexp.MustCompile(`^[^=]*=\s*[^"'\[{#\s]*[A-Za-z/:]`)

// recover reports the parser's error, if any, and returns what to read after it.
func (d *document) recover(input []byte) (rest []byte) {
	var broken *unstable.ParserError
	if !errors.As(d.parser.Error(), &broken) {
		return nil
	}
	d.broken = true
	at := d.parser.Range(broken.Highlight)
	line := d.lineOf(at)
	suggestion := ""
	text, _, _ := bytes.Cut(input[bytes.LastIndexByte(input[:at.Offset], '\n')+1:], []byte("\n"))
	if unquoted.Match(text) {
		suggestion = `texts, durations and sizes stand in double quotes: "5m"`
	}
	d.report.FailAt(line, "", suggestion, "not TOML: "+broken.Message)
	d.report.Unread(line)
	end := bytes.IndexByte(input[at.Offset:], '\n')
	if end < 0 {
		return nil
	}
	next := int(at.Offset) + end + 1
	found := resumable.FindIndex(input[next:])
	if found == nil {
		return nil
	}
	next += found[0]
	d.skipped += bytes.Count(input[:next], []byte("\n"))
	return input[next:]
}

// confirm lets the library's own decoder judge a document that seems to be
// sound, for the rules of TOML that are not checked here.
func (d *document) confirm(data []byte) {
	var all map[string]any
	err := toml.Unmarshal(data, &all)
	if err == nil {
		return
	}
	d.broken = true
	line := 1
	var located *toml.DecodeError
	if errors.As(err, &located) {
		line, _ = located.Position()
	}
	d.report.FailAt(line, "", "", "not TOML: "+strings.TrimPrefix(err.Error(), "toml: "))
	d.report.Unread(line)
}

func (d *document) lineOf(at unstable.Range) int {
	return d.skipped + d.parser.Shape(at).Start.Line
}

// expression takes one header or one key with its value.
func (d *document) expression(e *unstable.Node) {
	switch e.Kind {
	case unstable.Table, unstable.ArrayTable:
		d.header(e)
	case unstable.KeyValue:
		d.assign(d.table, d.prefix, e)
	}
}

// header moves to the table that [name] or [[name]] opens.
func (d *document) header(e *unstable.Node) {
	parent, path, name, line := d.walk(d.root, "", e.Key())
	table := newTable(line)
	table.opened = true
	d.table, d.prefix = table, path+"."
	known, exists := parent.Fields[name]
	switch {
	case e.Kind == unstable.ArrayTable && !exists:
		parent.set(name, &Node{Shape: List, Line: line, Items: []*Node{table}})
	case e.Kind == unstable.ArrayTable && known.Shape == List:
		known.Items = append(known.Items, table)
	case !exists:
		parent.set(name, table)
	case e.Kind == unstable.Table && known.Shape == Table && !known.opened:
		known.opened = true
		d.table = known
	case e.Kind == unstable.Table && known.Shape == List:
		d.clash(line, path, fmt.Sprintf("write [[%s]] for one more", path), known)
	case e.Kind == unstable.Table && known.Shape == Table:
		d.clash(line, path, "put its options in one place", known)
		d.table = known
	default:
		d.clash(line, path, "", known)
	}
}

// assign sets one key in table, whose path is prefix without its dot.
func (d *document) assign(table *Node, prefix string, e *unstable.Node) {
	parent, path, name, line := d.walk(table, prefix, e.Key())
	if known, exists := parent.Fields[name]; exists {
		d.clash(line, path, "keep one of them", known)
		return
	}
	parent.set(name, d.value(e.Value(), line, path))
}

// clash reports a key or table that is there already.
func (d *document) clash(line int, path, suggestion string, known *Node) {
	d.unsound = true
	d.report.FailAt(line, path, suggestion, fmt.Sprintf("set already in line %d", known.Line))
}

// walk goes along a dotted key, making tables on its way, and returns the table
// that holds its last part.
func (d *document) walk(from *Node, prefix string, key unstable.Iterator) (parent *Node, path, name string, line int) {
	parent = from
	for key.Next() {
		part := key.Node()
		if name != "" {
			parent = d.step(parent, name, line)
		}
		name, line = string(part.Data), d.lineOf(part.Raw)
		path = prefix + name
		prefix = path + "."
	}
	return parent, path, name, line
}

// step goes into the table called name, the last one of a list.
func (d *document) step(parent *Node, name string, line int) *Node {
	next := parent.Fields[name]
	if next != nil && next.Shape == List && len(next.Items) > 0 {
		next = next.Items[len(next.Items)-1]
	}
	if next == nil || next.Shape != Table {
		next = newTable(line)
		if _, exists := parent.Fields[name]; !exists {
			parent.set(name, next)
		}
	}
	return next
}

func (n *Node) set(name string, value *Node) {
	n.Keys = append(n.Keys, name)
	n.Fields[name] = value
}

// value copies a value; line is that of what is around it.
func (d *document) value(v *unstable.Node, line int, path string) *Node {
	if v.Raw.Length > 0 {
		line = d.lineOf(v.Raw)
	}
	n := &Node{Line: line, Text: string(v.Data)}
	switch v.Kind {
	case unstable.String:
		n.Shape = String
		if v.Raw.Length > 0 {
			n.raw, n.column = d.parser.Raw(v.Raw), d.parser.Shape(v.Raw).Start.Column
		}
	case unstable.Integer:
		n.Shape = Integer
		n.Number = d.number(n, path)
	case unstable.Bool:
		n.Shape = Bool
	case unstable.Float:
		n.Shape = Float
	case unstable.Array:
		n.Shape = List
		for it := v.Children(); it.Next(); {
			n.Items = append(n.Items, d.value(it.Node(), line, path))
		}
	case unstable.InlineTable:
		n = newTable(line)
		n.opened = true
		for it := v.Children(); it.Next(); {
			d.assign(n, path+".", it.Node())
		}
	default:
		n.Shape = Date
	}
	return n
}

// number returns the number of an integer node.
func (d *document) number(n *Node, path string) int64 {
	number, err := strconv.ParseInt(strings.ReplaceAll(n.Text, "_", ""), 0, 64)
	if err != nil {
		d.unsound = true
		d.report.FailAt(n.Line, path, "", n.Text+" is out of range")
	}
	return number
}
