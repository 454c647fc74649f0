//go:build !race

package floorplan

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/accrue-loyalty/accrue"

// listed is what `go list -json` says of a package, as far as we ask.
type listed struct {
	ImportPath   string
	Dir          string
	GoFiles      []string
	CgoFiles     []string
	Imports      []string
	TestImports  []string
	XTestImports []string
}

func TestPlan(t *testing.T) {
	for _, p := range list(t) {
		for _, refusal := range refusals(p) {
			t.Error(refusal)
		}
		for _, refusal := range sourceRefusals(t, p) {
			t.Error(refusal)
		}
	}
}

// list returns all packages of the module. Files that are being written and do
// not parse are somebody else's failure, hence -e.
func list(t *testing.T) []listed {
	t.Helper()
	cmd := exec.Command("go", "list", "-e", "-json=ImportPath,Dir,GoFiles,CgoFiles,Imports,TestImports,XTestImports", module+"/...")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, &stderr)
	}
	var all []listed
	dec := json.NewDecoder(bytes.NewReader(out))
	for {
		var p listed
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
	if len(all) == 0 {
		t.Fatal("go list names no package")
	}
	return all
}

// refusals compares the imports of p with the plan.
func refusals(p listed) (all []string) {
	path := strings.TrimPrefix(strings.TrimPrefix(p.ImportPath, module), "/")
	here, known := roomOf(path)
	if !known {
		return []string{fmt.Sprintf("%s is not in the plan: add it to internal/floorplan/plan.go, with what it may import and why", path)}
	}
	for _, imp := range p.Imports {
		if ours, ok := strings.CutPrefix(imp, module+"/"); ok && !mayImport(here, ours) {
			all = append(all, fmt.Sprintf("%s imports %s: %s", path, ours, here.why))
		}
		if slices.Contains(pure(), here.path) && (isThirdParty(imp) || within(imp, impureImports())) {
			all = append(all, fmt.Sprintf("%s imports %s: %s, so it is pure and uses the standard library only, without its clocks, randomness, logs and input", path, imp, here.why))
		}
		if imp == "flag" && !within(path, outside()) {
			all = append(all, fmt.Sprintf("%s imports flag: cmd alone knows the command line; take a Config", path))
		}
	}
	for _, imp := range slices.Concat(p.Imports, p.TestImports, p.XTestImports) {
		for _, l := range libraries() {
			if within(imp, []string{l.library}) && !within(path, l.by) {
				all = append(all, fmt.Sprintf("%s imports %s, which %s may: %s", path, imp, owners(l), l.why))
			}
		}
	}
	for _, imp := range slices.Concat(p.TestImports, p.XTestImports) {
		if ours, ok := strings.CutPrefix(imp, module+"/"); ok && within(ours, []string{"cmd"}) && here.path != "cmd" {
			all = append(all, fmt.Sprintf("the tests of %s import %s: nothing may import cmd", path, ours))
		}
	}
	return all
}

// sourceRefusals looks for calls in the production code of p that its room may
// not make.
func sourceRefusals(t *testing.T, p listed) (all []string) {
	t.Helper()
	path := strings.TrimPrefix(strings.TrimPrefix(p.ImportPath, module), "/")
	fset := token.NewFileSet()
	for _, name := range slices.Concat(p.GoFiles, p.CgoFiles) {
		f, err := parser.ParseFile(fset, filepath.Join(p.Dir, name), nil, parser.SkipObjectResolution)
		if err != nil {
			t.Logf("not looked at: %v", err)
			continue
		}
		at := func(n ast.Node) string { return fmt.Sprintf("%s/%s:%d", path, name, fset.Position(n.Pos()).Line) }
		ast.Inspect(f, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.SelectorExpr:
				x, ok := n.X.(*ast.Ident)
				if !ok {
					break
				}
				c := call{x.Name, n.Sel.Name}
				if within(path, pure()) && slices.Contains(clock(), c) {
					all = append(all, fmt.Sprintf("%s uses %s.%s: time is an input here, so that a replay decides the same", at(n), c.pkg, c.name))
				}
				if !within(path, outside()) && slices.Contains(environment(), c) {
					all = append(all, fmt.Sprintf("%s uses %s.%s: cmd alone reads the environment; take a Config", at(n), c.pkg, c.name))
				}
			case *ast.Ident:
				if within(path, []string{"loyalty"}) && (n.Name == "float64" || n.Name == "float32") {
					all = append(all, fmt.Sprintf("%s uses %s: points and money are integers; floats round differently on the way back", at(n), n.Name))
				}
			case *ast.GoStmt:
				if within(path, pure()) {
					all = append(all, fmt.Sprintf("%s starts a goroutine: the order of its effects is not an input", at(n)))
				}
			}
			return true
		})
	}
	return all
}

// roomOf returns the room that a package is in. The module's root is none.
func roomOf(path string) (room, bool) {
	for _, r := range rooms() {
		if within(path, []string{r.path}) {
			return r, true
		}
	}
	return room{}, false
}

func mayImport(from room, ours string) bool {
	if within(ours, []string{from.path}) || within(ours, from.mayImport) {
		return true
	}
	return slices.Contains(from.mayImport, everything) && !within(ours, []string{"cmd"})
}

// within reports whether path is one of roots or lies below one.
func within(path string, roots []string) bool {
	return slices.ContainsFunc(roots, func(root string) bool {
		return path == root || strings.HasPrefix(path, root+"/")
	})
}

func isThirdParty(imp string) bool {
	first, _, _ := strings.Cut(imp, "/")
	return strings.Contains(first, ".") && !within(imp, []string{module})
}

func owners(l owned) string {
	if len(l.by) == 0 {
		return "no package of ours"
	}
	return "only " + strings.Join(l.by, " and ")
}

// The plan itself has no cycle: a room names only rooms above it.
func TestPlanPointsDown(t *testing.T) {
	var above []string
	for _, r := range rooms() {
		for _, imp := range r.mayImport {
			if imp != everything && !slices.Contains(above, imp) {
				t.Errorf("%s names %s, which stands below it or is no room", r.path, imp)
			}
		}
		above = append(above, r.path)
	}
}

func TestRefusals(t *testing.T) {
	ours := func(paths ...string) (all []string) {
		for _, p := range paths {
			all = append(all, module+"/"+p)
		}
		return all
	}
	for name, c := range map[string]struct {
		p    listed
		want string // part of the refusal; empty if there is none
	}{
		"loyalty may import events":             {listed{ImportPath: module + "/loyalty", Imports: ours("events")}, ""},
		"loyalty may not import state":          {listed{ImportPath: module + "/loyalty", Imports: ours("state")}, "pure functions"},
		"loyalty may not import context":        {listed{ImportPath: module + "/loyalty", Imports: []string{"context"}}, "pure"},
		"events may not import a library":       {listed{ImportPath: module + "/events", Imports: []string{"github.com/google/uuid"}}, "standard library"},
		"state may import pebble":               {listed{ImportPath: module + "/state", Imports: []string{"github.com/cockroachdb/pebble/v2/vfs"}}, ""},
		"api may not import pebble":             {listed{ImportPath: module + "/api", Imports: []string{"github.com/cockroachdb/pebble/v2"}}, "only state"},
		"nor may its tests":                     {listed{ImportPath: module + "/api", XTestImports: []string{"github.com/cockroachdb/pebble/v2"}}, "only state"},
		"the console is a part of the api":      {listed{ImportPath: module + "/api", Imports: ours("api/console")}, ""},
		"consumer may not lean on internal":     {listed{ImportPath: module + "/consumer", Imports: ours("internal/embedded")}, "does not know who asks"},
		"its tests may":                         {listed{ImportPath: module + "/consumer", XTestImports: ours("internal/embedded")}, ""},
		"internal may import the engine":        {listed{ImportPath: module + "/internal/sim", Imports: ours("consumer", "internal/embedded")}, ""},
		"nothing may import cmd":                {listed{ImportPath: module + "/internal/sim", Imports: ours("cmd/accrue")}, "internal"},
		"a package outside the plan is refused": {listed{ImportPath: module + "/helpers"}, "not in the plan"},
		"statement is not a part of state":      {listed{ImportPath: module + "/statement"}, "not in the plan"},
	} {
		t.Run(name, func(t *testing.T) {
			got := strings.Join(refusals(c.p), "\n")
			if c.want == "" && got != "" || !strings.Contains(got, c.want) {
				t.Errorf("refusals = %q, want %q", got, c.want)
			}
		})
	}
}
