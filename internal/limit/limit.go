package limit

import (
	"math"
	"slices"
	"strconv"
	"strings"

	"countersign/internal/fault"
	"countersign/internal/limit/cells"
)

// Limit bounds a measure in a window.
type Limit struct {
	Measure Measure
	Window  Window
	// Max is the most, 0 for nothing at all.
	Max    int64
	Action Action
	// Shadow says that what is over it passes, and is noted. It stands beside the one that is not.
	Shadow bool
	// Share is how much of Max one account may have once half of it is used (rounded up), in
	// percent; 0 for all. It says nothing where the subject is an account or narrower, and of
	// a FailedShare.
	Share int
	// Away is for limits of connections: what happens while the store is away.
	Away Away
	// Least is for limits of FailedShare: how many have to have failed before the share
	// counts; at least 1.
	Least int64
	// Quiet says that nobody gets a mail when most of it is used.
	Quiet bool
}

// UsualLeast is Limit.Least where nobody has said another.
const UsualLeast = 20

// String returns "recipients/hour=100", as Parse reads it.
func (l Limit) String() string {
	return l.Measure.String() + "/" + l.Window.String() + "=" + strconv.FormatInt(l.Max, 10)
}

// Part is what one account may have of a limit with a share once half of it is used.
func (l Limit) Part() Limit {
	l.Max = percent(l.Max, l.Share)
	if l.Measure == FailedRecipients {
		l.Max = max(l.Max, 1) // of which 0 is as 1
	}
	return l
}

// Windowed is a set of windows.
type Windowed uint8

// Has reports whether a window is in the set.
func (s Windowed) Has(w Window) bool { return s&(1<<w) != 0 }

// And returns the set with one more window.
func (s Windowed) And(w Window) Windowed { return s | 1<<w }

// units are what Max may end in where octets are counted.
var units = []struct {
	name   string
	factor int64
}{{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {"TiB", 1 << 40}, {"KB", 1e3}, {"MB", 1e6}, {"GB", 1e9}, {"TB", 1e12}}

// cutUnit takes a unit off a number of octets; case does not matter, as with sizes in the configuration.
func cutUnit(text string) (number string, factor int64) {
	for _, u := range units {
		if cut := len(text) - len(u.name); cut > 0 && strings.EqualFold(text[cut:], u.name) {
			return text[:cut], u.factor
		}
	}
	return text, 1
}

// ParseMeasured reads "MEASURE/WINDOW". Errors are fault.Invalid, and say what there is to
// choose from.
func ParseMeasured(text string) (Measure, Window, error) {
	const op = "limit.measured"
	measure, window, both := strings.Cut(text, "/")
	if !both {
		return 0, 0, fault.New(op, fault.Invalid, "%q is no measure and window, as in recipients/hour", text)
	}
	m, w := slices.Index(measureNames[:], measure), slices.Index(windowNames[:], window)
	switch {
	case m < 0:
		return 0, 0, fault.New(op, fault.Invalid, "%q in %q is no measure; there are %s", measure, text, strings.Join(measureNames[:], ", "))
	case w < 0:
		return 0, 0, fault.New(op, fault.Invalid, "%q in %q is no window; there are %s", window, text, strings.Join(windowNames[:], ", "))
	}
	if why := unfit(Measure(m), Window(w)); why != "" {
		return 0, 0, fault.New(op, fault.Invalid, "%q: %s", text, why)
	}
	return Measure(m), Window(w), nil
}

// Parse reads "MEASURE/WINDOW=MAX". Octets may have a unit ("bytes/day=500MiB", "bytes/day=1GB"). The action
// is Defer, and of a share of failed recipients at least UsualLeast have to have failed. Errors are fault.Invalid, and say what there is to choose from.
func Parse(text string) (Limit, error) {
	const op = "limit.parse"
	what, most, whole := strings.Cut(text, "=")
	if !whole || !strings.Contains(what, "/") {
		return Limit{}, fault.New(op, fault.Invalid, "%q is no limit: one is a measure, a window and a number, as in recipients/hour=100", text)
	}
	l := Limit{Action: Defer}
	var err error
	if l.Measure, l.Window, err = ParseMeasured(what); err != nil {
		return Limit{}, err
	}
	number, factor, hint := most, int64(1), ""
	if l.Measure == Bytes {
		number, factor = cutUnit(most)
		hint = ", with a unit or without: 500MB, 25MiB (KB, MB, GB and TB are powers of 1000, KiB, MiB, GiB and TiB of 1024)"
	}
	n, err := strconv.ParseInt(number, 10, 64)
	if err != nil || n < 0 || number[0] == '+' || n > math.MaxInt64/factor {
		return l, fault.New(op, fault.Invalid, "%q in %q is not a number from 0 to %d%s", most, text, int64(math.MaxInt64), hint)
	}
	l.Max = n * factor
	if l.Measure == FailedShare {
		l.Least = UsualLeast
	}
	return l, nil
}

// ParseAction reads the name of an action. Errors are fault.Invalid.
func ParseAction(text string) (Action, error) {
	if i := slices.Index(actionNames[:], text); i >= 0 {
		return Action(i), nil
	}
	return 0, fault.New("limit.action", fault.Invalid, "%q is no action; there are %s", text, strings.Join(actionNames[:], ", "))
}

// ParseAway reads what is to happen while the store is away. Errors are fault.Invalid.
func ParseAway(text string) (Away, error) {
	if i := slices.Index(awayNames[:], text); i >= 0 {
		return Away(i), nil
	}
	return 0, fault.New("limit.away", fault.Invalid, "%q is nothing to do while the store is away; there are %s", text, strings.Join(awayNames[:], ", "))
}

// ParseKind reads the name of a kind of subjects. Errors are fault.Invalid.
func ParseKind(text string) (Kind, error) {
	if i := slices.Index(kindNames[:], text); i >= 0 {
		return Kind(i), nil
	}
	return 0, fault.New("limit.kind", fault.Invalid, "%q is no kind of subject; there are %s", text, strings.Join(kindNames[:], ", "))
}

// Amounts has a number for each measure; none is negative.
type Amounts [measures]int64

// Add returns the sum, which stays below the largest number.
func (a Amounts) Add(b Amounts) Amounts { return Amounts(cells.Amounts(a).Add(cells.Amounts(b))) }
