package program_test

import (
	"crypto/sha256"
	"errors"
	"strings"
	"testing"

	"github.com/accrue-loyalty/accrue/events"
	"github.com/accrue-loyalty/accrue/loyalty"
	"github.com/accrue-loyalty/accrue/program"
)

func TestPreparePublishesVersions(t *testing.T) {
	now := instant(t, "2026-11-22T10:00:00Z")
	minimal := samples(t)["minimal.yaml"]
	first, p, err := program.Prepare(program.Draft{Source: minimal, File: "p.yaml", Now: now})
	if err != nil {
		t.Fatal(err)
	}
	if first.Version != 1 || first.EffectiveAt != now+60_000 || first.PublishedAt != now {
		t.Errorf("the first version: %+v", first)
	}
	if !strings.HasPrefix(first.Source, "revision: 1\nprogram: minimal\n") || first.Hash != events.Hash(sha256.Sum256([]byte(first.Source))) {
		t.Errorf("source %q hash %s", first.Source, first.Hash)
	}
	if p.Version != 1 || p.Hash != first.Hash || p.EffectiveAt != first.EffectiveAt || p.PublishedAt != now || p.Revision != loyalty.RevisionNewest {
		t.Errorf("the program: %+v", p)
	}

	t.Run("again is unchanged", func(t *testing.T) {
		_, _, err := program.Prepare(program.Draft{Source: minimal, File: "p.yaml", Now: now, Latest: &first})
		if !errors.Is(err, program.ErrUnchanged) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("the next has the next version", func(t *testing.T) {
		changed := strings.Replace(string(minimal), "points: 1", "points: 2", 1)
		e, _, err := program.Prepare(program.Draft{Source: []byte(changed), File: "p.yaml", Now: now, Latest: &first, EffectiveAt: now + 3_600_000})
		if err != nil || e.Version != 2 || e.EffectiveAt != now+3_600_000 {
			t.Errorf("got %+v, %v", e, err)
		}
	})
	t.Run("less than a minute ahead is too soon", func(t *testing.T) {
		d := program.Draft{Source: minimal, File: "p.yaml", Now: now, EffectiveAt: now + 59_999}
		if _, _, err := program.Prepare(d); !errors.Is(err, program.ErrTooSoon) {
			t.Errorf("got %v", err)
		}
		d.Immediately = true
		if e, _, err := program.Prepare(d); err != nil || e.EffectiveAt != d.EffectiveAt {
			t.Errorf("got %+v, %v", e, err)
		}
	})
	t.Run("another currency is refused", func(t *testing.T) {
		changed := strings.Replace(string(minimal), "currency: USD", "currency: EUR", 1)
		_, _, err := program.Prepare(program.Draft{Source: []byte(changed), File: "p.yaml", Now: now, Latest: &first})
		if !errors.Is(err, program.ErrOtherCurrency) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("problems are reported", func(t *testing.T) {
		_, _, err := program.Prepare(program.Draft{Source: []byte("program: p\n"), File: "p.yaml", Now: now})
		var problems program.Problems
		if !errors.As(err, &problems) {
			t.Errorf("got %v", err)
		}
	})
}

func TestRevisionIsWrittenInWithoutTouchingTheRest(t *testing.T) {
	for source, want := range map[string]string{
		"# hello\n\n  program: p # name\n  currency: USD\n  timezone: UTC\n  earn: [{id: a, on: AppInstalled, points: 1}]\n": "# hello\n\n  revision: 1\n  program: p # name\n  currency: USD\n  timezone: UTC\n  earn: [{id: a, on: AppInstalled, points: 1}]\n",
		"{program: p, currency: USD, timezone: UTC, earn: [{id: a, on: AppInstalled, points: 1}]}":                           "{revision: 1, program: p, currency: USD, timezone: UTC, earn: [{id: a, on: AppInstalled, points: 1}]}",
		"---\r\ncurrency: USD\r\nprogram: p\r\ntimezone: UTC\r\nearn: [{id: a, on: AppInstalled, points: 1}]":                "---\r\nrevision: 1\r\ncurrency: USD\r\nprogram: p\r\ntimezone: UTC\r\nearn: [{id: a, on: AppInstalled, points: 1}]",
		"program: p\nrevision: 1\ncurrency: USD\ntimezone: UTC\nearn: [{id: a, on: AppInstalled, points: 1}]\n":              "program: p\nrevision: 1\ncurrency: USD\ntimezone: UTC\nearn: [{id: a, on: AppInstalled, points: 1}]\n",
		"\ufeffprogram: p\ncurrency: USD\ntimezone: UTC\nearn: [{id: a, on: AppInstalled, points: 1}]\n":                     "revision: 1\nprogram: p\ncurrency: USD\ntimezone: UTC\nearn: [{id: a, on: AppInstalled, points: 1}]\n",
	} {
		e, _, err := program.Prepare(program.Draft{Source: []byte(source), File: "p.yaml", Now: 1})
		if err != nil || e.Source != want {
			t.Errorf("got  %q, %v\nwant %q", e.Source, err, want)
		}
	}
}

// YAML ends lines at more than line feeds: where the revision would go is not known then.
func TestRevisionIsAskedForWhereLinesEndOtherwise(t *testing.T) {
	for _, source := range []string{
		"# c\rprogram: p\rcurrency: USD\rtimezone: UTC\rearn: [{id: a, on: AppInstalled, points: 1}]\r",
		"# c\r# d\r    program: p\r    currency: USD\r    timezone: UTC\r    earn: [{id: a, on: AppInstalled, points: 1}]\r\n\n\n",
	} {
		if _, err := program.Parse([]byte(source), "p.yaml"); err != nil {
			t.Fatal(err)
		}
		_, _, err := program.Prepare(program.Draft{Source: []byte(source), File: "p.yaml", Now: 1})
		if err == nil || !strings.Contains(err.Error(), "write the line revision: 1") {
			t.Errorf("%q: got %v", source, err)
		}
	}
}

func TestLoad(t *testing.T) {
	source := string(samples(t)["vip-rewards.yaml"])
	e := events.ProgramPublished{Version: 7, EffectiveAt: 5, PublishedAt: 3, Hash: sha256.Sum256([]byte(source)), Source: source}
	p, err := program.Load(e)
	if err != nil || p.Version != 7 || p.EffectiveAt != 5 || p.PublishedAt != 3 || p.Hash != e.Hash {
		t.Fatalf("got %+v, %v", p, err)
	}
	t.Run("a changed source is refused", func(t *testing.T) {
		bad := e
		bad.Source += " "
		if _, err := program.Load(bad); err == nil || !strings.Contains(err.Error(), "program version 7: its source has the hash") {
			t.Errorf("got %v", err)
		}
	})
	t.Run("an unknown revision is refused by name", func(t *testing.T) {
		bad := e
		bad.Source = strings.Replace(source, "revision: 1", "revision: 99", 1)
		bad.Hash = sha256.Sum256([]byte(bad.Source))
		if _, err := program.Load(bad); err == nil || !strings.Contains(err.Error(), "revision 99") {
			t.Errorf("got %v", err)
		}
	})
	t.Run("a source without revision is of the first", func(t *testing.T) {
		e := events.ProgramPublished{Version: 1, Source: string(samples(t)["minimal.yaml"])}
		e.Hash = sha256.Sum256([]byte(e.Source))
		if p, err := program.Load(e); err != nil || p.Revision != 1 {
			t.Errorf("got %+v, %v", p, err)
		}
	})
}
