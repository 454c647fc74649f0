package events

import "strings"

// nearestBytesMax is beyond the longest name that anything here has; comparing longer words would only take time.
const nearestBytesMax = 64

// Nearest returns the name that word is probably a misspelling of, or "".
func Nearest(word string, names []string) string {
	if len(word) > nearestBytesMax {
		return ""
	}
	best, distance := "", 1+max(1, min(3, len(word)/3))
	for _, n := range names {
		if d := slips(strings.ToLower(word), strings.ToLower(n)); d < distance {
			best, distance = n, d
		}
	}
	return best
}

// slips is about how many slips of the pen lie between two words. Two letters that changed places are one, and so is an
// ending of up to two letters.
func slips(a, b string) int {
	d := edits([]rune(a), []rune(b))
	if d == 2 {
		swapped := len(a) == len(b)
		for i := 0; swapped && i < len(a); i++ {
			if a[i] != b[i] {
				swapped = i+1 < len(a) && a[i] == b[i+1] && a[i+1] == b[i] && a[i+2:] == b[i+2:]
				break
			}
		}
		if swapped || strings.HasPrefix(a, b) || strings.HasPrefix(b, a) {
			return 1
		}
	}
	return d
}

// edits is how many letters must be changed, added or removed to make b of a.
func edits(a, b []rune) int {
	// row holds the edits between the part of a so far and each beginning of b.
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range a {
		diagonal := row[0]
		row[0] = i + 1
		for j := range b {
			d := diagonal
			if a[i] != b[j] {
				d++
			}
			diagonal = row[j+1]
			row[j+1] = min(d, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
