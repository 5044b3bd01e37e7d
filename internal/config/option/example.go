package option

import (
	"bytes"
	"fmt"
	"io"
	"strings"
)

// exampleWidth is the width at which the texts of the example are wrapped.
const exampleWidth = 78

// WriteExample writes a commented configuration file with every option. What
// must be set is set to an example; the rest is commented out. Texts are as
// Texts returns them.
func (s Schema) WriteExample(w io.Writer, texts map[string]string) error {
	var b bytes.Buffer
	for _, t := range s {
		if text := s.text(t, texts); text != "" {
			fmt.Fprintf(&b, "\n")
			writeComment(&b, text)
		}
		for i := range t.variants() {
			t.example(&b, i, texts)
		}
	}
	_, err := w.Write(b.Bytes())
	return err
}

// example writes one table. The first of a list has every option, the
// others only what differs.
func (t Table) example(b *bytes.Buffer, i int, texts map[string]string) {
	off := "#"
	if t.Required || !t.List {
		off = ""
	}
	switch {
	case i > 0:
		fmt.Fprintf(b, "\n%s%s\n", off, t.Header())
	case t.Key != "":
		fmt.Fprintf(b, "%s%s\n", off, t.Header())
	}
	for _, o := range t.options {
		if i > 0 && !strings.Contains(o.example, "|") {
			continue
		}
		if i == 0 {
			fmt.Fprintf(b, "\n")
			writeComment(b, t.optionText(o, texts))
			writeComment(b, o.exampleFacts())
		}
		sign := "#"
		switch {
		case o.alternative:
			sign = "# "
		case o.Required && (t.Required || !t.List):
			sign = ""
		}
		fmt.Fprintf(b, "%s%s = %s\n", sign, o.Key, o.ExampleText(i))
	}
}

// exampleFacts returns what the line of the option itself does not show.
func (o Option) exampleFacts() string {
	var parts []string
	switch {
	case o.derived != "":
		parts = append(parts, "Default: "+o.derived+".")
	case o.hasInitial && o.example != "":
		parts = append(parts, "Default: "+o.defaultText()+".")
	}
	if len(o.oneof) > 0 {
		parts = append(parts, "One of: "+strings.Join(o.oneof, ", ")+".")
	}
	if o.unit != "" {
		parts = append(parts, "Unit: "+o.unit+".")
	}
	if o.When != "" {
		parts = append(parts, "Only with "+o.When+" "+strings.Join(o.Among, " or ")+".")
	}
	return strings.Join(parts, " ")
}

// variants returns how many tables of a list the example shows.
func (t Table) variants() int {
	most := 1
	for _, o := range t.options {
		most = max(most, 1+strings.Count(o.example, "|"))
	}
	return most
}

// variant returns the part of an example for table number i; one without parts
// is the same for all.
func variant(example string, i int) string {
	parts := strings.Split(example, "|")
	return parts[min(i, len(parts)-1)]
}

// writeComment writes text as comment lines.
func writeComment(b *bytes.Buffer, text string) {
	line := "#"
	for _, word := range strings.Fields(text) {
		if len(line)+1+len(word) > exampleWidth {
			fmt.Fprintf(b, "%s\n", line)
			line = "#"
		}
		line += " " + word
	}
	if line != "#" {
		fmt.Fprintf(b, "%s\n", line)
	}
}
