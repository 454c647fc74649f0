package api_test

import (
	"testing"

	"github.com/accrue-loyalty/accrue/api"
)

func TestWhatATerminalWouldActOnIsEscaped(t *testing.T) {
	for in, want := range map[string]string{
		"x\x1b[2J\x1b[31mEVIL\nFAKE 99":  `x\x1b[2J\x1b[31mEVIL\nFAKE 99`,
		"bell\a, tab\t, return\r":        `bell\a, tab\t, return\r`,
		"\u009b31m red, \x7f":            `\u009b31m red, \x7f`,
		"abc\u202edcb":                   `abc\u202edcb`,
		"line\u2028line":                 `line\u2028line`,
		`a\n "quoted" Ærøskøbing 日本 👩‍🚀`: `a\n "quoted" Ærøskøbing 日本 👩‍🚀`,
		"": "",
	} {
		if got := api.Visible(in); got != want {
			t.Errorf("%q is shown as %s, want %s", in, got, want)
		}
	}
	if got, want := api.VisibleLines("a\x1b\nb\r\n"), "a\\x1b\nb\\r\n"; got != want {
		t.Errorf("lines are shown as %q, want %q", got, want)
	}
}
