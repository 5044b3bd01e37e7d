package api

import (
	"bytes"
	"encoding"
	"encoding/json"
	"net/http"
	"reflect"
	"strconv"
	"strings"
	"time"
)

// tree is a JSON object.
type tree = map[string]any

// Description returns the description of a table in OpenAPI 3.1.
func Description(table []Operation, version string) []byte {
	d := &describing{schemas: tree{}}
	paths := tree{}
	for i := range table {
		o := &table[i]
		at, _ := paths[o.Path].(tree)
		if at == nil {
			at = tree{}
			paths[o.Path] = at
		}
		at[strings.ToLower(o.Method)] = d.operation(o)
	}
	d.schemas["Problem"] = d.object(reflect.TypeFor[Problem]())
	text, err := json.MarshalIndent(tree{
		"openapi":  "3.1.1",
		"info":     tree{"title": "Countersign", "version": version, "description": "The gate's API for control panels and billing systems: bans, access lists, limits, grants, the guard, accounts and what is above them.", "license": tree{"name": "Apache-2.0", "identifier": "Apache-2.0"}},
		"servers":  []any{tree{"url": Prefix}},
		"security": []any{tree{"token": []any{}}},
		"paths":    paths,
		"components": tree{
			"schemas":         d.schemas,
			"securitySchemes": tree{"token": tree{"type": "http", "scheme": "bearer", "description": "The token of an [[api_client]]."}},
		},
	}, "", "  ")
	if err != nil {
		return nil // trees of texts can always be written
	}
	return append(text, '\n')
}

// describing collects the schemas.
type describing struct{ schemas tree }

func (d *describing) operation(o *Operation) tree {
	answers := tree{"default": tree{"description": "A problem.", "content": tree{"application/problem+json": tree{"schema": ref("Problem")}}}}
	switch {
	case o.Answer == nil:
		answers[strconv.Itoa(http.StatusNoContent)] = tree{"description": "Done."}
	default:
		status, schema := http.StatusOK, d.schema(reflect.TypeOf(o.Answer))
		if o.Created {
			status = http.StatusCreated
		}
		if o.Pages {
			schema = tree{"type": "object", "required": []any{"items"}, "properties": tree{
				"items": tree{"type": "array", "items": schema},
				"next":  tree{"type": "string", "description": "The cursor of the next page; left out at the end."},
			}}
		}
		answers[strconv.Itoa(status)] = tree{"description": "Done.", "content": tree{"application/json": tree{"schema": schema}}}
	}
	out := tree{
		"operationId": o.ID, "summary": o.Text, "responses": answers,
		"description": "Takes `" + string(o.May) + "` among what the client may.",
		"tags":        []any{strings.Split(o.Path[1:], "/")[0]},
	}
	if list := d.parameters(o); len(list) > 0 {
		out["parameters"] = list
	}
	if o.Body != nil {
		out["requestBody"] = tree{"required": true, "content": tree{"application/json": tree{"schema": d.schema(reflect.TypeOf(o.Body))}}}
	}
	return out
}

func (d *describing) parameters(o *Operation) (list []any) {
	for _, p := range strings.Split(o.Path, "/") {
		if name := braced(p); name != "" {
			list = append(list, tree{"name": name, "in": "path", "required": true, "schema": tree{"type": "string"}})
		}
	}
	for _, p := range o.parameters() {
		schema := tree{"type": "string"}
		if len(p.Among) > 0 {
			schema["enum"] = p.Among
		}
		list = append(list, tree{"name": p.Name, "in": "query", "description": p.Text, "schema": schema})
	}
	return list
}

func ref(name string) tree { return tree{"$ref": "#/components/schemas/" + name} }

// schema describes a type; structs are referred to by their names.
func (d *describing) schema(t reflect.Type) tree {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch {
	case t == reflect.TypeFor[time.Time]():
		return tree{"type": "string", "format": "date-time"}
	case t.Implements(reflect.TypeFor[encoding.TextMarshaler]()), t.Kind() == reflect.String:
		return tree{"type": "string"}
	case t.Kind() == reflect.Bool:
		return tree{"type": "boolean"}
	case t.Kind() == reflect.Slice:
		return tree{"type": "array", "items": d.schema(t.Elem())}
	case t.Kind() == reflect.Map:
		return tree{"type": "object", "additionalProperties": d.schema(t.Elem())}
	case t.Kind() == reflect.Struct:
		name := title(t.Name())
		if _, known := d.schemas[name]; !known {
			d.schemas[name] = tree{} // of a type that has itself as a member
			d.schemas[name] = d.object(t)
		}
		return ref(name)
	}
	return tree{"type": "integer"}
}

// title is a name with a capital.
func title(name string) string { return string(bytes.ToUpper([]byte(name[:1]))) + name[1:] }

// object describes a struct.
func (d *describing) object(t reflect.Type) tree {
	properties, required := tree{}, []any{}
	taken := false
	for _, m := range members(t) {
		s := d.schema(m.kind)
		if _, isRef := s["$ref"]; !isRef || m.text != "" {
			if m.text != "" {
				s["description"] = m.text
			}
			if len(m.among) > 0 {
				s["enum"] = m.among
			}
			if m.example != "" {
				s["examples"] = []any{m.example}
			}
		}
		properties[m.name] = s
		taken = taken || m.text != ""
		if m.required || m.text == "" && !m.omitted {
			required = append(required, m.name)
		}
	}
	out := tree{"type": "object", "properties": properties}
	if taken { // what is taken has no other members; what is answered may get some
		out["additionalProperties"] = false
	}
	if len(required) > 0 {
		out["required"] = required
	}
	return out
}
