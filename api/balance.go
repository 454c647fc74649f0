package api

import (
	"hash/crc32"
	"net/http"
	"strconv"
	"strings"
	"sync"

	"github.com/accrue-loyalty/accrue/events"
	"github.com/accrue-loyalty/accrue/loyalty"
)

// balancePattern is the hot route. It is served without huma.
const balancePattern = "GET /v1/customers/{customer}/balance"

// Balance is the answer to GET …/balance: the line that simulate prints, with what has become of it by now.
type Balance struct {
	loyalty.Summary
	// ExpiredDue is points that are no longer active, because their time has passed, but that no tick has booked as
	// expired yet.
	ExpiredDue events.Points `json:"expired_due,omitempty"`
	// MergedInto is the customer that took the account over.
	MergedInto string `json:"merged_into,omitempty"`
	// Position is what the answer reflects; AsOf is when it was reckoned.
	Position string         `json:"position"`
	AsOf     events.Instant `json:"as_of"`
}

// balanceOf reckons the balance as of r.asOf, with what expires in the memory of room. The rules book an expiry only by a
// tick; until then its points are taken out here, so that a late tick never shows points that nobody can spend.
func balanceOf(room []loyalty.Expiring, r *reader) Balance {
	b := Balance{
		Summary:    loyalty.SummarizeIn(room, r.program, r.account, r.place.Clock),
		MergedInto: r.account.MergedInto,
		AsOf:       r.asOf,
	}
	if b.ExpiredDue = expiredDue(r.account, r.asOf); b.ExpiredDue == 0 {
		return b
	}
	b.Active -= b.ExpiredDue
	gone := 0
	for gone < len(b.Expiring) && b.Expiring[gone].At <= r.asOf {
		gone++
	}
	b.Expiring = b.Expiring[gone:]
	return b
}

// expiredDue sums the active points of a that have expired at t.
func expiredDue(a *loyalty.Account, t events.Instant) (due events.Points) {
	for i := range a.Lots {
		if l := &a.Lots[i]; expiredBy(l, t) {
			due += l.Active
		}
	}
	return due
}

// balanceAfter is what a customer whom d is about has now, as GET …/balance says it; d's own balance counts points as active
// whose expiry no tick has booked yet. Where the partition has just moved away nobody here knows better than d.
func (s *Server) balanceAfter(d *events.Decision) events.Balance {
	place, p := s.own(d.Customer)
	if p != nil {
		return d.Balance
	}
	account, position, err := place.Store.Account(d.Customer)
	if err != nil || account == nil || position < d.Offset {
		return d.Balance
	}
	b := account.Balance()
	b.Active -= expiredDue(account, max(events.InstantOf(s.cfg.Now()), place.Clock))
	return b
}

// expiredBy reports whether the active points of l have expired at t.
func expiredBy(l *loyalty.Lot, t events.Instant) bool {
	return l.Active > 0 && l.ExpiresAt != 0 && l.ExpiresAt <= t
}

// balanceBuffer is what one answer is built in.
type balanceBuffer struct {
	expiring      []loyalty.Expiring
	body, headers []byte
}

var balanceBuffers = sync.Pool{New: func() any {
	return &balanceBuffer{make([]loyalty.Expiring, 0, 16), make([]byte, 0, 1024), make([]byte, 0, 96)}
}}

// balance answers the hot route.
func (s *Server) balance(w http.ResponseWriter, r *http.Request) {
	customer := r.PathValue("customer")
	minOffset := ""
	if r.URL.RawQuery != "" {
		var p *Problem
		if minOffset, p = balanceQuery(r); p != nil {
			p.write(w)
			return
		}
	}
	found, p := s.read(r.Context(), customer, minOffset, headerOf(r, positionHeader))
	if p != nil {
		p.write(w)
		return
	}
	buf := balanceBuffers.Get().(*balanceBuffer)
	b := balanceOf(buf.expiring, &found)
	buf.expiring = b.Expiring
	buf.write(w, r, &b, &found)
	balanceBuffers.Put(buf)
}

func (buf *balanceBuffer) write(w http.ResponseWriter, r *http.Request, b *Balance, found *reader) {
	buf.body = appendSummary(buf.body[:0], b)
	position := found.at().appendTo(buf.headers[:0])
	text := appendETag(position, found, buf.body)
	etagEnd := len(text)
	buf.body = appendBalanceTail(buf.body, position, b.AsOf)
	text = strconv.AppendInt(text, int64(len(buf.body)), 10)
	buf.headers = text

	// One string and one array for all of them.
	all := string(text)
	values := []string{all[:len(position)], all[len(position):etagEnd], all[etagEnd:]}
	etag := values[1]
	h := w.Header()
	h[positionHeader] = values[0:1:1]
	h["Etag"] = values[1:2:2]
	h["Cache-Control"] = noCache
	if match := headerOf(r, "If-None-Match"); match != "" && matches(match, etag) {
		w.WriteHeader(statusSame)
		return
	}
	h["Content-Type"] = jsonContent
	h["Content-Length"] = values[2:3:3]
	// A client that has gone away is no concern of ours.
	_, _ = w.Write(buf.body)
}

// Header values that are the same in every answer; net/http does not write to them.
var (
	jsonContent = []string{jsonType}
	noCache     = []string{"no-cache"}
)

// appendETag names the state of the account by its ledger position, and what else the answer depends on (time that
// passes, the program in effect) by a checksum of the answer. It is weak: as_of and position go on in equal answers.
func appendETag(b []byte, found *reader, summary []byte) []byte {
	b = append(b, `W/"`...)
	b = Position{Partition: found.place.Partition, Next: found.position}.appendTo(b)
	b = append(b, '-')
	b = strconv.AppendUint(b, uint64(crc32.ChecksumIEEE(summary)), 16)
	return append(b, '"')
}

// matches reports whether an If-None-Match header names the ETag.
func matches(header, etag string) bool {
	if header == etag || header == "*" {
		return true
	}
	for one := range strings.SplitSeq(header, ",") {
		if one = strings.TrimSpace(one); one == etag || "W/"+one == etag {
			return true
		}
	}
	return false
}

// balanceQuery reads the query, which may hold min_offset only.
func balanceQuery(r *http.Request) (string, *Problem) {
	q := r.URL.Query()
	for name := range q {
		if name != "min_offset" {
			return "", problem(ReasonInvalidRequest, "query parameter %q is unknown: a balance takes min_offset only", name)
		}
	}
	return q.Get("min_offset"), nil
}
