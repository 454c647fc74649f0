package program

import (
	"fmt"
	"strings"
	"unicode"

	"github.com/accrue-loyalty/accrue/loyalty"
)

// zoneBytesMax is beyond the longest name of a zone; trying what is near a longer one would only take time.
const zoneBytesMax = 40

// timezoneHint suggests the zone that was meant. Nothing lists the zones, so it asks for names that are near: in the usual
// letters, with the part of the world, with one slip of the pen.
func timezoneHint(name string) string {
	if len(name) <= zoneBytesMax {
		usual := usualLetters(name)
		tries := []string{usual, strings.ToUpper(name)}
		for _, area := range strings.Fields("Europe America Asia Africa Australia Pacific Atlantic Indian Antarctica Arctic") {
			tries = append(tries, area+"/"+usual)
		}
		for _, try := range append(tries, oneSlip(usual)...) {
			if _, ok := loyalty.Zone(try); ok && try != "" {
				return fmt.Sprintf("did you mean %q?", try)
			}
		}
	}
	return "write an IANA name such as Europe/Berlin or America/New_York"
}

// usualLetters writes the name of a zone as most are: words with a capital, and _ between them.
func usualLetters(name string) string {
	within := false
	return strings.Map(func(c rune) rune {
		switch {
		case unicode.IsSpace(c):
			within = false
			return '_'
		case !unicode.IsLetter(c):
			within = false
			return c
		case within:
			return unicode.ToLower(c)
		default:
			within = true
			return unicode.ToUpper(c)
		}
	}, strings.TrimSpace(name))
}

// oneSlip returns the texts from which text comes by a letter left out, changed, added, or swapped with the next.
func oneSlip(text string) []string {
	var all []string
	for i := range text {
		before, after := text[:i], text[i:]
		all = append(all, before+after[1:])
		if len(after) > 1 {
			all = append(all, before+after[1:2]+after[:1]+after[2:])
		}
		for c := 'a'; c <= 'z'; c++ {
			all = append(all, before+string(c)+after, before+string(c)+after[1:])
		}
	}
	for c := 'a'; c <= 'z'; c++ {
		all = append(all, text+string(c))
	}
	return all
}
