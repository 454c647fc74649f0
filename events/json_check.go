package events

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"unicode/utf8"
)

// fieldsMax is more fields than any object of ours has. It bounds the search for fields that are written twice.
const fieldsMax = 64

// CheckJSON refuses what encoding/json lets pass without a word. Bytes that are not UTF-8 and halves of surrogate pairs
// would become U+FFFD, which makes different customers one. Of a field that is written twice the last would count. A
// field in other letter case would be taken for ours, and no other reader of the same JSON would agree.
//
// It is for JSON whose syntax is checked elsewhere: what is no JSON may pass.
func CheckJSON(b []byte) error {
	if !utf8.Valid(b) {
		return notUTF8(b)
	}
	// Events nest three objects and lists, and have some twenty fields: no need for the heap.
	var (
		levelsRoom [8]int
		keysRoom   [fieldsMax][]byte
	)
	// levels has, for each object around i, where its keys begin in keys; -1 for a list.
	levels, keys := levelsRoom[:0], keysRoom[:0]
	wantKey := false
	for i := 0; i < len(b); i++ {
		switch b[i] {
		case '{':
			levels = append(levels, len(keys))
			wantKey = true
		case '[':
			levels = append(levels, -1)
			wantKey = false
		case '}', ']':
			if len(levels) == 0 {
				return nil
			}
			if from := levels[len(levels)-1]; from >= 0 {
				keys = keys[:from]
			}
			levels = levels[:len(levels)-1]
			wantKey = false
		case ',':
			wantKey = len(levels) > 0 && levels[len(levels)-1] >= 0
		case '"':
			end, escaped := endOfString(b, i+1)
			if escaped {
				if err := checkSurrogates(b, i, end); err != nil {
					return err
				}
			}
			if wantKey {
				key, err := fieldName(b[i:end], escaped)
				if err != nil {
					return err
				}
				if keys, err = addKey(keys, levels[len(levels)-1], key); err != nil {
					return err
				}
				wantKey = false
			}
			i = end - 1
		}
	}
	return nil
}

// endOfString returns where the string ends whose content begins at i, past its quote, and whether it has escapes.
func endOfString(b []byte, i int) (end int, escaped bool) {
	for ; i < len(b); i++ {
		switch b[i] {
		case '"':
			return i + 1, escaped
		case '\\':
			escaped = true
			i++
		}
	}
	return len(b), escaped
}

// unknownField is an error about a field that the object cannot have.
type unknownField struct{ name string }

// Error implements error.
func (u unknownField) Error() string { return fmt.Sprintf("unknown field %q", u.name) }

// fieldName returns the name in a quoted key. Ours are all of small letters, digits and _.
func fieldName(quoted []byte, escaped bool) ([]byte, error) {
	name := bytes.Trim(quoted, `"`)
	if escaped {
		var s string
		if err := json.Unmarshal(quoted, &s); err != nil {
			return nil, err
		}
		name = []byte(s)
	}
	for _, c := range name {
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '_' {
			return nil, unknownField{string(name)}
		}
	}
	return name, nil
}

// addKey appends the key of an object whose keys begin at from.
func addKey(keys [][]byte, from int, key []byte) ([][]byte, error) {
	for _, k := range keys[from:] {
		if bytes.Equal(k, key) {
			return nil, fmt.Errorf("field %q is written twice: keep one of them", key)
		}
	}
	if len(keys)-from == fieldsMax {
		return nil, fmt.Errorf("an object has more than %d fields", fieldsMax)
	}
	return append(keys, key), nil
}

// checkSurrogates refuses a string between start and end that has one half of a surrogate pair without the other: no
// UTF-8 text has.
func checkSurrogates(b []byte, start, end int) error {
	for i := start + 1; i < end-1; i++ {
		if b[i] != '\\' {
			continue
		}
		i++
		r := unit(b, i)
		switch {
		case r < 0xd800 || r > 0xdfff:
		case r < 0xdc00 && i+6 < end && b[i+5] == '\\' && unit(b, i+6) >= 0xdc00 && unit(b, i+6) <= 0xdfff:
			i += 6
		default:
			return withField(b, end, fmt.Sprintf("is not UTF-8: %s is half of a surrogate pair", b[i-1:i+5]))
		}
	}
	return nil
}

// unit returns the UTF-16 unit of an escape whose u is at i, or -1 when it is another escape.
func unit(b []byte, i int) int {
	if i+5 > len(b) || b[i] != 'u' {
		return -1
	}
	n, err := strconv.ParseUint(string(b[i+1:i+5]), 16, 16)
	if err != nil {
		return -1
	}
	return int(n)
}

// notUTF8 says which field of b is not UTF-8.
func notUTF8(b []byte) error {
	i := 0
	for {
		r, size := utf8.DecodeRune(b[i:])
		if r == utf8.RuneError && size == 1 {
			return withField(b, i+1, fmt.Sprintf("is not UTF-8: it has the byte 0x%02x", b[i]))
		}
		i += size
	}
}

// withField names the field that is written up to end, or after it.
func withField(b []byte, end int, problem string) error {
	if path, _ := fieldAt(b, int64(end)); path != "" {
		return fmt.Errorf("field %q %s", path, problem)
	}
	return errors.New("the JSON " + problem)
}
