package rehearsal

import "testing"

// TestSpoken: an answer is one sentence, and has no id that leads to nothing.
func TestSpoken(t *testing.T) {
	for text, want := range map[string]string{
		"2.1.0 Sender OK": "2.1.0 Sender OK",
		"5.7.1 Not from x@example.org. [01M8ECPT3T2Y9ACMSM817QKXZH]":                         "5.7.1 Not from x@example.org.",
		"5.7.26 It will fail;\n5.7.26 publish\n5.7.26 v=spf1 [01M8ECPT3T2Y9ACMSM817QKXZH]":   "5.7.26 It will fail; publish v=spf1",
		"5.7.1 A record\n5.7.1 [01M8ECPT3T2Y9ACMSM817QKXZH]":                                 "5.7.1 A record",
		"5.7.1 Too many. https://a.example/help/limit-reached?id=01M8ECPT3T2Y9ACMSM817QKXZH": "5.7.1 Too many. https://a.example/help/limit-reached",
		"5.7.1 A record\n5.7.1 https://a.example/help/x?id=01M8ECPT3T2Y9ACMSM817QKXZH":       "5.7.1 A record https://a.example/help/x",
		"5.7.1 See https://a.example/?id=5":                                                  "5.7.1 See https://a.example/?id=5",
		"5.1.3 Not an address [192.0.2.1]":                                                   "5.1.3 Not an address [192.0.2.1]",
		"5.1.3 What is [this":                                                                "5.1.3 What is [this",
		"":                                                                                   "",
	} {
		if got := spoken(text); got != want {
			t.Errorf("%q: %q", text, got)
		}
	}
}
