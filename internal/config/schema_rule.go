package config

// Rule is one table [[rule]].
type Rule struct {
	// The name by which the rule is known in the record, in replies and to "countersign rule":
	// lower-case letters, digits and "-".
	Name string `toml:"name" required:"yes" since:"0.1" reload:"yes" example:"trial-volume"`
	// When it is asked: "connect" before the greeting, "mail" at MAIL, "rcpt" at each RCPT,
	// "data" when the whole message is there.
	At string `toml:"at" required:"yes" oneof:"connect,mail,rcpt,data" since:"0.1" reload:"yes" example:"rcpt"`
	// An expression in CEL. Where it is true the rule matches. What it may name is known at the
	// moment that at says.
	When string `toml:"when" required:"yes" since:"0.1" reload:"yes" example:"principal.plan == 'trial' && counters.recipients > 20"`
	// What follows where it matches. "allow" ends the row of rules at this moment; "refuse"
	// answers 550, "defer" 451; "hold" accepts the message and holds it, "slow" accepts it and
	// lets it wait, both at "data" alone. The first rule that matches decides.
	Verdict string `toml:"verdict" required:"yes" oneof:"allow,refuse,defer,hold,slow" since:"0.1" reload:"yes" example:"refuse"`
	// What the customer reads: one sentence in ASCII without a full stop at its end. It is needed to refuse or defer.
	Because string `toml:"because" derived:"nothing" since:"0.1" reload:"yes" example:"The trial plan sends to 20 recipients at once"`
	// Whether it is recorded what would follow, and nothing does: the rules behind it are asked.
	Shadow bool `toml:"shadow" default:"false" since:"0.1" reload:"yes"`
	// What follows where the rule cannot be evaluated: "defer" answers 451, "skip" asks the next
	// rule. In shadow it is always "skip".
	OnError string `toml:"on_error" derived:"\"skip\" for allow and slow, else \"defer\"" oneof:"skip,defer" since:"0.1" reload:"yes" example:"skip"`
	// How long "slow" lets a message wait.
	Delay Duration `toml:"delay" alternative:"yes" when:"verdict=slow" default:"10m" min:"1s" max:"24h" since:"0.1" reload:"yes"`
}
