package rules

import (
	"math"
	"net/netip"
	"regexp/syntax"
	"strings"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/cost"
	"cel.dev/cel-go/common/overloads"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
)

// function is one that expressions may use beside those of CEL. Its last argument is a text,
// its other one, if it has two, is what it stands behind.
type function struct {
	name, id, usage string
	args            []*cel.Type
	result          *cel.Type
	stages          []Stage
	text            string
	// cost is that of a call, above what reading the texts costs.
	cost uint64
	// size is the largest result, 0 where it is no larger than the text that is given, and each
	// that of its elements.
	size, each uint64
	call       func(args []ref.Val) ref.Val
}

// functions is the table of all functions.
var functions = [...]*function{
	{
		"in_network", "address_in_network", `ADDRESS.in_network("192.0.2.0/24")`, []*cel.Type{addressType, cel.StringType}, cel.BoolType, always,
		"whether an address is in a network", 5, 1, 0, func(args []ref.Val) ref.Val {
			network, err := netip.ParsePrefix(string(args[1].(types.String)))
			if err != nil {
				return types.NewErr("%s is not a network", args[1])
			}
			return types.Bool(network.Contains(args[0].(address).Addr))
		},
	},
	{
		"address", "text_to_address", `address("192.0.2.1")`, []*cel.Type{cel.StringType}, addressType, always,
		"an address, to compare with", 5, 1, 0, func(args []ref.Val) ref.Val {
			a, err := netip.ParseAddr(string(args[0].(types.String)))
			if err != nil {
				return types.NewErr("%s is not an address", args[0])
			}
			return address{a.Unmap()}
		},
	},
	{
		"string", "address_to_text", `string(ADDRESS)`, []*cel.Type{addressType}, cel.StringType, always,
		"an address as text", 5, maxText, 0, func(args []ref.Val) ref.Val { return args[0].ConvertToType(types.StringType) },
	},
	{
		"domain", "text_domain", "TEXT.domain()", []*cel.Type{cel.StringType}, cel.StringType, always,
		"what follows the last @ of a mail address", 1, 0, 0, ofText(domain),
	},
	{
		"local", "text_local", "TEXT.local()", []*cel.Type{cel.StringType}, cel.StringType, always,
		"what stands before the last @ of a mail address", 1, 0, 0, ofText(local),
	},
	{
		"lower", "text_lower", "TEXT.lower()", []*cel.Type{cel.StringType}, cel.StringType, always,
		"the text with A to Z in lower case", 1, 0, 0, ofText(lower),
	},
	{
		"first", "header_first", `message.header.first("Subject")`, []*cel.Type{headerType, cel.StringType}, cel.StringType, wholeMail,
		`the first field of that name, on one line, decoded; "" where there is none`, 100, maxField, 0, func(args []ref.Val) ref.Val {
			return types.String(args[0].(header).first(string(args[1].(types.String))))
		},
	},
	{
		"values", "header_values", `message.header.values("Received")`, []*cel.Type{headerType, cel.StringType}, cel.ListType(cel.StringType), wholeMail,
		"the fields of that name, likewise", 1000, maxFields, maxField, func(args []ref.Val) ref.Val {
			return types.NewStringList(types.DefaultTypeAdapter, args[0].(header).values(string(args[1].(types.String))))
		},
	},
	{
		"count", "header_count", `message.header.count("Received")`, []*cel.Type{headerType, cel.StringType}, cel.IntType, wholeMail,
		"how many fields of that name there are", 50, 1, 0, func(args []ref.Val) ref.Val {
			return types.Int(args[0].(header).count(string(args[1].(types.String))))
		},
	},
	{
		"used", "counted_used", `counted.used("account recipients/hour")`, []*cel.Type{countedType, cel.StringType}, cel.IntType, fromMail,
		"what was counted of the message's account (credential, domain, customer, network, node, everything) in the time that ends now", 2000, 1, 0,
		func(args []ref.Val) ref.Val { return args[0].(counted).used(string(args[1].(types.String))) },
	},
}

// ofText is a function of CEL that makes a text of a text.
func ofText(change func(string) string) func([]ref.Val) ref.Val {
	return func(args []ref.Val) ref.Val { return types.String(change(string(args[0].(types.String)))) }
}

func domain(s string) string { return s[strings.LastIndexByte(s, '@')+1:] }
func local(s string) string  { return s[:max(0, strings.LastIndexByte(s, '@'))] }
func lower(s string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'A' && r <= 'Z' {
			r += 'a' - 'A'
		}
		return r
	}, s)
}

// declared makes the option that declares a function.
func (f *function) declared() cel.EnvOption {
	binding := cel.FunctionBinding(func(args ...ref.Val) ref.Val { return f.call(args) })
	if strings.HasPrefix(f.usage, f.name+"(") {
		return cel.Function(f.name, cel.Overload(f.id, f.args, f.result, binding))
	}
	return cel.Function(f.name, cel.MemberOverload(f.id, f.args, f.result, binding))
}

// model says what a call of a function costs, and how large its result is.
type model struct{}

var (
	_ cost.Estimator           = model{}
	_ cost.ActualCostEstimator = model{}
)

// reading is what reading so many octets costs.
func reading(octets uint64) uint64 { return octets/10 + 1 }

// EstimateSize implements cost.Estimator: the largest sizes of the variables.
func (model) EstimateSize(n cost.AstNode) *cost.SizeEstimate {
	path := n.Path()
	if len(path) == 0 {
		return nil
	}
	v, found := lookup(path[0])
	switch {
	case !found:
		return nil
	case len(path) == 1 && v.each > 0:
		return &cost.SizeEstimate{Max: v.size, Elem: &cost.SizeEstimate{Max: v.each}}
	case len(path) == 1:
		return &cost.SizeEstimate{Max: v.size}
	}
	return &cost.SizeEstimate{Max: v.each}
}

// EstimateCallCost implements cost.Estimator.
func (m model) EstimateCallCost(name, id string, target *cost.AstNode, args []cost.AstNode) *cost.CallEstimate {
	if name == overloads.Matches {
		return m.matching(target, args)
	}
	f, found := functionOf(id)
	if !found {
		return nil
	}
	text := target
	if len(args) > 0 {
		text = &args[len(args)-1]
	}
	size := m.sizeOf(*text)
	result := cost.SizeEstimate{Max: f.size}
	if f.size == 0 {
		result.Max = size.Max
	}
	if f.each > 0 {
		result.Elem = &cost.SizeEstimate{Max: f.each}
	}
	return &cost.CallEstimate{
		CostEstimate: cost.Estimate{Min: f.cost, Max: cost.SafeAdd(f.cost, reading(size.Max))},
		ResultSize:   &result,
	}
}

// sizeOf is how long a text may be.
func (m model) sizeOf(text cost.AstNode) cost.SizeEstimate {
	if s := text.ComputedSize(); s != nil {
		return *s
	}
	if s := m.EstimateSize(text); s != nil {
		return *s
	}
	return cost.SizeEstimate{Max: maxField}
}

// matching is what a pattern costs: a step of each of its instructions for each octet, of which ten
// are a unit.
func (m model) matching(target *cost.AstNode, args []cost.AstNode) *cost.CallEstimate {
	if target != nil {
		args = append([]cost.AstNode{*target}, args...)
	}
	if len(args) != 2 || args[1].Expr().Kind() != ast.LiteralKind {
		return nil // it is refused, as the pattern is not written out
	}
	pattern, _ := args[1].Expr().AsLiteral().Value().(string)
	steps := cost.SafeMultiply(m.sizeOf(args[0]).Max+1, instructions(pattern))
	return &cost.CallEstimate{CostEstimate: cost.Estimate{Min: 1, Max: steps/10 + 1}, ResultSize: &cost.SizeEstimate{Max: 1}}
}

// instructions counts those that a pattern is compiled to.
func instructions(pattern string) uint64 {
	parsed, err := syntax.Parse(pattern, syntax.Perl)
	if err != nil {
		return math.MaxUint64 // it is refused
	}
	program, err := syntax.Compile(parsed.Simplify())
	if err != nil {
		return math.MaxUint64
	}
	return uint64(len(program.Inst))
}

// CallCost implements cost.ActualCostEstimator.
func (model) CallCost(_, id string, args []ref.Val, _ ref.Val) *uint64 {
	f, found := functionOf(id)
	if !found || len(args) == 0 {
		return nil
	}
	total := f.cost
	if s, is := args[len(args)-1].(types.String); is {
		total += reading(uint64(len(s)))
	}
	return &total
}

// functionOf finds a function of ours by the id of its overload.
func functionOf(id string) (*function, bool) {
	for _, f := range functions {
		if f.id == id {
			return f, true
		}
	}
	return nil, false
}
