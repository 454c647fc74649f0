//go:build !race

package floorplan_test

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// docs/reasons.md lists every reason code that the code can give, and no other.
func TestReasonsAreDocumented(t *testing.T) {
	page, err := os.ReadFile("../../docs/reasons.md")
	if err != nil {
		t.Fatal(err)
	}
	var documented []string
	for _, m := range regexp.MustCompile("`([a-z]+(?:_[a-z]+)*)`").FindAllStringSubmatch(string(page), -1) {
		documented = append(documented, m[1])
	}
	given := codes(t, "../../loyalty/*.go", `(?:refuse\(|result\(events\.\w+, |return |return nil, |Reason = )"([a-z_]+)"`)
	given = append(given, codes(t, "../../schemas/errors.go", `Code = "([a-z_]+)"`)...)
	given = append(given, codes(t, "../../consumer/*.go", `reason[A-Z]\w* += "([a-z_]+)"`)...)
	for _, kind := range codes(t, "../../loyalty/decide.go", `events\.Type\w+: +"([a-z]+)"`) {
		given = append(given, "duplicate_"+kind)
	}
	given = append(given, "redemption_cancelled", "redemption_lapsed")
	for _, code := range given {
		if !strings.HasSuffix(code, "_") && !slices.Contains(documented, code) {
			t.Errorf("docs/reasons.md lacks %s", code)
		}
	}
	for _, code := range documented {
		if code != "result" && code != "reason" && code != "asked" && code != "deadletter" && !slices.Contains(given, code) {
			t.Errorf("docs/reasons.md lists %s, which nothing gives", code)
		}
	}
}

// codes returns the first group of every match in the files, tests aside.
func codes(t *testing.T, pattern, expr string) []string {
	t.Helper()
	files, err := filepath.Glob(pattern)
	if err != nil || len(files) == 0 {
		t.Fatalf("no files match %s: %v", pattern, err)
	}
	var found []string
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile(expr).FindAllStringSubmatch(string(text), -1) {
			found = append(found, m[1])
		}
	}
	return found
}
