package api_test

import (
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/accrue-loyalty/accrue/api"
)

func TestReasonsAreDocumented(t *testing.T) {
	t.Run("those of the API, with their statuses", func(t *testing.T) {
		page, err := os.ReadFile("../docs/http.md")
		if err != nil {
			t.Fatal(err)
		}
		documented := map[api.Reason]int{}
		for _, row := range regexp.MustCompile("(?m)^\\| ([0-9]+) \\| `([a-z_]+)` \\|").FindAllStringSubmatch(string(page), -1) {
			if documented[api.Reason(row[2])], err = strconv.Atoi(row[1]); err != nil {
				t.Fatal(err)
			}
		}
		source, err := os.ReadFile("statuses.go")
		if err != nil {
			t.Fatal(err)
		}
		declared := regexp.MustCompile(`Reason = "([a-z_]+)"`).FindAllStringSubmatch(string(source), -1)
		if len(declared) < 20 {
			t.Errorf("only %d reasons were found in the source", len(declared))
		}
		for _, found := range declared {
			r := api.Reason(found[1])
			if documented[r] != r.Status() {
				t.Errorf("%s has status %d, the page says %d", r, r.Status(), documented[r])
			}
			delete(documented, r)
		}
		if len(documented) > 0 {
			t.Errorf("the page lists what the API does not know: %v", documented)
		}
	})
	t.Run("those of decisions, in words", func(t *testing.T) {
		page, err := os.ReadFile("../docs/reasons.md")
		if err != nil {
			t.Fatal(err)
		}
		n := 0
		for line := range strings.Lines(string(page)) {
			cells := strings.Split(line, "|")
			if len(cells) < 5 || strings.Contains(cells[1], "UNREADABLE") {
				continue // dead letters are explained by their own headers
			}
			for _, code := range regexp.MustCompile("`([a-z_]+)`").FindAllStringSubmatch(cells[2], -1) {
				n++
				if words := api.Words(code[1]); words == strings.ReplaceAll(code[1], "_", " ") {
					t.Errorf("there are no words for %s", code[1])
				}
			}
		}
		if n < 30 {
			t.Errorf("only %d codes were found on the page", n)
		}
	})
}
