package program

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/accrue-loyalty/accrue/events"
	"github.com/accrue-loyalty/accrue/loyalty"
)

// Notice is how far ahead, at least, a version takes effect, so that every instance has it by then.
const Notice = time.Minute

// Why a draft is not published, beside its [Problems].
var (
	// ErrUnchanged means that the latest version has the same source: there is nothing to do.
	ErrUnchanged = errors.New("the latest version has this source already")
	// ErrTooSoon means that the version would take effect in less than [Notice].
	ErrTooSoon = errors.New("the version must take effect at least a minute from now")
	// ErrOtherCurrency means that amounts that accounts remember would be read in another currency.
	ErrOtherCurrency = errors.New("a program cannot change its currency")
)

// Draft is what is about to be published.
type Draft struct {
	Source []byte
	// File is the name that problems carry.
	File string
	// EffectiveAt is when the version takes effect; 0 is as soon as it may.
	EffectiveAt events.Instant
	// Immediately allows an EffectiveAt that is near or past. Events that were decided already stay as they are.
	Immediately bool
	// Now is the time of publishing.
	Now events.Instant
	// Latest is the version published last; nil when there is none.
	Latest *events.ProgramPublished
}

// Prepare checks a draft and returns the version to publish and its compiled program. A source without revision gets
// the newest written in, so that a later accrue decides as this one does.
func Prepare(d Draft) (events.ProgramPublished, *loyalty.Program, error) {
	if _, err := Parse(d.Source, d.File); err != nil {
		return events.ProgramPublished{}, nil, err
	}
	source, err := withRevision(d.Source)
	if err != nil {
		return events.ProgramPublished{}, nil, fmt.Errorf("writing the revision into %s: %w", d.File, err)
	}
	soonest := d.Now + events.Instant(Notice.Milliseconds())
	if d.Immediately {
		soonest = d.Now
	}
	e := events.ProgramPublished{
		Version:     1,
		EffectiveAt: d.EffectiveAt,
		PublishedAt: d.Now,
		Hash:        sha256.Sum256(source),
		Source:      string(source),
	}
	if e.EffectiveAt == 0 {
		e.EffectiveAt = soonest
	}
	if e.EffectiveAt < soonest && !d.Immediately {
		return events.ProgramPublished{}, nil, fmt.Errorf("%w: %s is before %s", ErrTooSoon, e.EffectiveAt, soonest)
	}
	if d.Latest != nil {
		if d.Latest.Source == e.Source {
			return events.ProgramPublished{}, nil, fmt.Errorf("%w: version %d", ErrUnchanged, d.Latest.Version)
		}
		e.Version = d.Latest.Version + 1
	}
	p, err := Load(e)
	if err != nil {
		return events.ProgramPublished{}, nil, err
	}
	if d.Latest != nil {
		before, err := Load(*d.Latest)
		if err == nil && before.Currency != p.Currency {
			return events.ProgramPublished{}, nil, fmt.Errorf("%w from %s to %s", ErrOtherCurrency, before.Currency, p.Currency)
		}
	}
	return e, p, nil
}

// revisionUnnamed is what a published source without a revision was written for: [Prepare] always names one, and the
// first was the only one when other writers could leave it out.
const revisionUnnamed = 1

// Load compiles a published version. An error means that this accrue cannot decide by it; it names the version.
func Load(e events.ProgramPublished) (*loyalty.Program, error) {
	if hash := events.Hash(sha256.Sum256([]byte(e.Source))); hash != e.Hash {
		return nil, fmt.Errorf("program version %d: its source has the hash %s, not %s", e.Version, hash, e.Hash)
	}
	p, err := parse([]byte(e.Source), fmt.Sprintf("version-%d.yaml", e.Version), revisionUnnamed)
	if err != nil {
		return nil, fmt.Errorf("program version %d: %w", e.Version, err)
	}
	p.Version, p.EffectiveAt, p.PublishedAt = e.Version, e.EffectiveAt, e.PublishedAt
	return p, nil
}

// withRevision returns source with a revision. It touches nothing else, so that comments and layout stay.
func withRevision(source []byte) ([]byte, error) {
	var doc yaml.Node
	if err := yaml.Unmarshal(source, &doc); err != nil {
		return nil, err
	}
	root := doc.Content[0]
	for i := 0; i < len(root.Content); i += 2 {
		if root.Content[i].Value == "revision" {
			return source, nil
		}
	}
	first := root.Content[0]
	line := fmt.Sprintf("revision: %d", loyalty.RevisionNewest)
	byHand := errors.New("write the line " + line)
	text, _ := strings.CutPrefix(string(source), "\ufeff") // a byte order mark may only stand at the very beginning
	lines := strings.SplitAfter(text, "\n")
	if first.Line > len(lines) {
		return nil, byHand // lines may end otherwise in YAML
	}
	at := lines[first.Line-1]
	before := []rune(at)
	if first.Column > len(before) {
		return nil, byHand
	}
	head := string(before[:first.Column-1])
	if root.Style&yaml.FlowStyle != 0 {
		lines[first.Line-1] = head + line + ", " + at[len(head):]
	} else {
		end := "\n"
		if strings.HasSuffix(at, "\r\n") {
			end = "\r\n"
		}
		lines[first.Line-1] = head + line + end + strings.Repeat(" ", first.Column-1) + at[len(head):]
	}
	out := []byte(strings.Join(lines, ""))
	p, err := parse(out, "", 0)
	if err != nil || p.Revision != loyalty.RevisionNewest || bytes.Equal(out, source) {
		return nil, byHand
	}
	return out, nil
}
