package api

import (
	"strconv"
	"strings"
	"unicode"
)

// Visible returns s, which came from outside, as it may stand in a line for people: what a terminal would act on, also by
// turning the order of the text around, is escaped as Go does it, such as \n and \x1b.
func Visible(s string) string {
	if !strings.ContainsFunc(s, acts) {
		return s
	}
	var b strings.Builder
	for _, r := range s {
		if acts(r) {
			quoted := strconv.QuoteRune(r)
			b.WriteString(quoted[1 : len(quoted)-1])
		} else {
			b.WriteRune(r)
		}
	}
	return b.String()
}

// VisibleLines is [Visible] for a text whose line breaks are its own.
func VisibleLines(s string) string {
	lines := strings.Split(s, "\n")
	for i := range lines {
		lines[i] = Visible(lines[i])
	}
	return strings.Join(lines, "\n")
}

// acts reports whether r does something where it is printed.
func acts(r rune) bool {
	return unicode.In(r, unicode.Cc, unicode.Bidi_Control, unicode.Zl, unicode.Zp)
}
