package program

import (
	"fmt"
	"math/big"
	"slices"

	"go.yaml.in/yaml/v3"

	"github.com/accrue-loyalty/accrue/loyalty"
)

// value is one value of the file whose notation was checked. The methods of a nil or bad value return zeros, so that
// whoever builds the program goes on after a problem and finds the next.
type value struct {
	path string
	node *yaml.Node
	spec *spec
	// bad values have been reported.
	bad    bool
	text   string
	number *big.Rat
	step   loyalty.Step
	fields map[string]*value
	items  []*value
	// keys are the written keys of a mapping, in the file's order.
	keys []*yaml.Node
	// misspelt are the keys that unknown ones were said to be meant for.
	misspelt []string
}

// keyNode returns where a key is written, or nil.
func (v *value) keyNode(name string) *yaml.Node {
	for _, k := range v.keys {
		if k.Value == name {
			return k
		}
	}
	return nil
}

// has reports whether the key is written, well or badly.
func (v *value) has(name string) bool { return v != nil && v.fields[name] != nil }

// lacks reports whether none of the keys is written, nor misspelt: that has been said, and whoever mends it has the key.
func (v *value) lacks(names ...string) bool {
	return v == nil || !slices.ContainsFunc(names, func(name string) bool { return v.has(name) || slices.Contains(v.misspelt, name) })
}

// get returns what is written for a key, or its fallback, or nil.
func (v *value) get(name string) *value {
	if v == nil || v.bad {
		return nil
	}
	if f := v.fields[name]; f != nil {
		return f
	}
	k := v.spec.key(name)
	if k == nil {
		panic("program: the table has no key " + join(v.path, name))
	}
	if k.fallback == "" {
		return nil
	}
	f := fallback(k, join(v.path, name))
	f.node.Line, f.node.Column = v.node.Line, v.node.Column
	return f
}

// fallback reads what holds for a key that is left out.
func fallback(k *key, path string) *value {
	var doc yaml.Node
	if err := yaml.Unmarshal([]byte(k.fallback), &doc); err != nil {
		panic(fmt.Sprintf("program: fallback of %s: %v", path, err))
	}
	var r reader
	f := r.value(doc.Content[0], k.spec, path, "")
	if len(r.problems) > 0 {
		panic(fmt.Sprintf("program: fallback of %s: %v", path, r.problems))
	}
	return f
}

func (v *value) ok() bool { return v != nil && !v.bad }

func (v *value) word() string {
	if !v.ok() {
		return ""
	}
	return v.text
}

// rat returns a number of the caller's own, or nil.
func (v *value) rat() *big.Rat {
	if !v.ok() || v.number == nil {
		return nil
	}
	return new(big.Rat).Set(v.number)
}

func (v *value) int() int64 {
	if !v.ok() || v.number == nil {
		return 0
	}
	return v.number.Num().Int64()
}

func (v *value) flag() bool { return v.word() == "true" }

func (v *value) list() []*value {
	if !v.ok() {
		return nil
	}
	return v.items
}
