package api

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"net/netip"
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"

	"github.com/accrue-loyalty/accrue/events"
)

// Hasher replaces personal data by keyed hashes: HMAC-SHA-256 of the normalised value, in hexadecimal. Equal people
// get equal hashes, nobody without the key can tell whose they are. Safe for concurrent use.
type Hasher struct{ key []byte }

// NewHasher returns a hasher; without a key it is of no use ([Hasher.Ready]).
func NewHasher(key Secret) *Hasher { return &Hasher{bytes.Clone(key)} }

// Ready reports whether there is a key.
func (h *Hasher) Ready() bool { return len(h.key) > 0 }

func (h *Hasher) sum(normal string) string {
	m := hmac.New(sha256.New, h.key)
	m.Write([]byte(normal))
	return hex.EncodeToString(m.Sum(nil))
}

// Email hashes an address and its domain. Upper case does not matter, nor do tags after a plus sign, nor dots in
// Gmail's names: those all reach the same mailbox.
func (h *Hasher) Email(address string) (whole, domain string, err error) {
	name, at, ok := cutLast(strings.ToLower(strings.TrimSpace(address)), '@')
	name, _, _ = strings.Cut(name, "+")
	if at == "googlemail.com" {
		at = "gmail.com"
	}
	if at == "gmail.com" {
		name = strings.ReplaceAll(name, ".", "")
	}
	if !ok || name == "" || at == "" || strings.ContainsFunc(name+at, unicode.IsSpace) {
		return "", "", errors.New("email: is not an e-mail address")
	}
	return h.sum(name + "@" + at), h.sum(at), nil
}

// IP hashes an IP address. The same address in another notation has the same hash.
func (h *Hasher) IP(address string) (string, error) {
	ip, err := netip.ParseAddr(strings.TrimSpace(address))
	if err != nil {
		return "", errors.New("ip: is not an IP address")
	}
	return h.sum(ip.Unmap().WithZone("").String()), nil
}

// Address hashes a postal address. Only its letters and digits count, without their case; a letter with its accent apart, as
// some keyboards write it, is the same letter.
func (h *Hasher) Address(address string) (string, error) {
	normal := strings.Join(strings.FieldsFunc(strings.ToLower(norm.NFC.String(address)), func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsDigit(r)
	}), " ")
	if normal == "" {
		return "", errors.New("address: is empty")
	}
	return h.sum(normal), nil
}

func cutLast(s string, sep byte) (before, after string, ok bool) {
	if i := strings.LastIndexByte(s, sep); i >= 0 {
		return s[:i], s[i+1:], true
	}
	return s, "", false
}

// personal are the fields that are hashed on the way in, and what takes their place.
var personal = [...]struct{ field, hash string }{
	{"email", "email_hash"}, {"ip", "ip_hash"}, {"address", "address_hash"},
}

// hidePersonal replaces e-mail, IP and postal address by their hashes, before anything else sees the event. An event
// without them is returned as it is.
func (s *Server) hidePersonal(raw []byte) ([]byte, *Problem) {
	if !mayHold(raw) {
		return raw, nil
	}
	// A map would keep the last of two fields of one name, and hashes of texts that are not UTF-8 would be equal.
	if err := events.CheckJSON(raw); err != nil {
		return nil, problem(ReasonInvalidEvent, "the event was not taken: %s", err)
	}
	var fields map[string]json.RawMessage
	if json.Unmarshal(raw, &fields) != nil {
		// Not an object: the decoder of events words it.
		return raw, nil
	}
	var kind events.Type
	_ = json.Unmarshal(fields["type"], &kind)
	if kind != events.TypeOrderPlaced && kind != events.TypeAccountRegistered {
		return raw, nil
	}
	found := false
	for _, f := range personal {
		value, ok := fields[f.field]
		if !ok {
			continue
		}
		found = true
		if p := s.hideField(fields, kind, f.field, f.hash, value); p != nil {
			return nil, p
		}
	}
	if !found {
		return raw, nil
	}
	out, err := json.Marshal(fields)
	if err != nil {
		return nil, problem(ReasonInvalidEvent, "the event cannot be read")
	}
	return out, nil
}

// mayHold is a quick look that spares nearly all events a second reading.
func mayHold(raw []byte) bool {
	return bytes.Contains(raw, []byte(`"email"`)) || bytes.Contains(raw, []byte(`"ip"`)) ||
		bytes.Contains(raw, []byte(`"address"`))
}

func (s *Server) hideField(fields map[string]json.RawMessage, kind events.Type, field, hash string, value []byte) *Problem {
	delete(fields, field)
	if !s.hasher.Ready() {
		return problem(ReasonNoHashKey, "%s: accrue has no key to hash it with: set one, or send %s", field, hash)
	}
	if _, both := fields[hash]; both {
		return problem(ReasonInvalidEvent, "%s: send either %s or %s, not both", field, field, hash)
	}
	var text string
	if json.Unmarshal(value, &text) != nil {
		return problem(ReasonInvalidEvent, "%s: is not a text", field)
	}
	var sum, domain string
	var err error
	switch field {
	case "email":
		sum, domain, err = s.hasher.Email(text)
	case "ip":
		sum, err = s.hasher.IP(text)
	default:
		sum, err = s.hasher.Address(text)
	}
	if err != nil {
		return problem(ReasonInvalidEvent, "%s", err)
	}
	fields[hash] = quote(sum)
	if _, given := fields["email_domain_hash"]; domain != "" && !given && kind == events.TypeAccountRegistered {
		fields["email_domain_hash"] = quote(domain)
	}
	return nil
}

// inClear names a field of e for a hash that holds the value itself, which must not be stored; "" for none. What else a hash
// looks like is the producer's affair.
func inClear(e events.Event) string {
	var email, ip, address string
	switch e := e.(type) {
	case *events.OrderPlaced:
		email, ip, address = e.EmailHash, e.IPHash, e.AddressHash
	case *events.AccountRegistered:
		email, ip, address = e.EmailHash, e.IPHash, e.AddressHash
	default:
	}
	switch _, err := netip.ParseAddr(ip); {
	case strings.Contains(email, "@"):
		return "email_hash"
	case err == nil:
		return "ip_hash"
	case strings.ContainsFunc(address, unicode.IsSpace):
		return "address_hash"
	}
	return ""
}

// quote makes a JSON string of hexadecimal digits.
func quote(hex string) json.RawMessage { return json.RawMessage(`"` + hex + `"`) }
