package option

import (
	"fmt"
	"strings"
)

// Choice offers the one of words that is most like text, else all of them.
func Choice(text string, words []string) string {
	if near, found := Nearest(text, words); found {
		return fmt.Sprintf("did you mean %q?", near)
	}
	return "one of " + strings.Join(words, ", ")
}

// maxGuess is the longest text for which a word is sought.
const maxGuess = 64

// Nearest returns the word most like text, and whether it is like enough to be
// what was meant.
func Nearest(text string, words []string) (string, bool) {
	if len(text) > maxGuess {
		return "", false
	}
	text = strings.ReplaceAll(strings.ToLower(text), "-", "_")
	best, bestAt := "", len(text)
	for _, w := range words {
		if at := distance(text, strings.ReplaceAll(w, "-", "_")); at < bestAt {
			best, bestAt = w, at
		}
	}
	return best, best != "" && bestAt <= max(1, len(best)/3)
}

// distance counts the insertions, deletions, replacements and swaps of
// neighbours that turn a into b.
func distance(a, b string) int {
	rows := make([][]int, len(a)+1)
	for i := range rows {
		rows[i] = make([]int, len(b)+1)
		rows[i][0] = i
	}
	for j := range rows[0] {
		rows[0][j] = j
	}
	for i := 1; i <= len(a); i++ {
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			rows[i][j] = min(rows[i-1][j]+1, rows[i][j-1]+1, rows[i-1][j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				rows[i][j] = min(rows[i][j], rows[i-2][j-2]+1)
			}
		}
	}
	return rows[len(a)][len(b)]
}
