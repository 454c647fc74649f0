package main

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/accrue-loyalty/accrue/events"
)

// checkpoint notes in a file how much of an import is published, so that an interrupted one can go on. A nil one notes
// nothing.
type checkpoint struct {
	path string
	noted
}

type noted struct {
	// Events identifies the events, in order; a checkpoint of others is not used.
	Events string `json:"events"`
	// Published is how many of them, from the first, Kafka has.
	Published int64 `json:"published"`
}

// identityOf tells the events of an import from those of every other.
func identityOf(batch []events.Event) string {
	h := sha256.New()
	for _, e := range batch {
		p := events.PayloadOf(e)
		h.Write(p[:])
	}
	return fmt.Sprintf("%x", h.Sum(nil))
}

// openCheckpoint reads the file, or begins a new one when path has none.
func openCheckpoint(path, identity string) (*checkpoint, error) {
	if path == "" {
		return nil, nil
	}
	c := &checkpoint{path: path, noted: noted{Events: identity}}
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return c, nil
	}
	if err != nil {
		return nil, fmt.Errorf("--resume: %w", err)
	}
	var n noted
	if err := json.Unmarshal(b, &n); err != nil {
		return nil, wrongUsage(fmt.Errorf("--resume: %s is no note of an import: %w", path, err))
	}
	if n.Events != c.Events {
		return nil, wrongUsage(fmt.Errorf("--resume: %s is the note of an import of other events; name another file, or remove it", path))
	}
	c.noted = n
	return c, nil
}

// published returns how many events were published before.
func (c *checkpoint) published() int64 {
	if c == nil {
		return 0
	}
	return c.Published
}

// note writes that n events are published.
func (c *checkpoint) note(n int64) error {
	if c == nil {
		return nil
	}
	c.Published = n
	f, err := createFile(c.path)
	if err != nil {
		return err
	}
	defer f.abandon()
	if err := json.NewEncoder(f).Encode(c.noted); err != nil {
		return fmt.Errorf("writing %s: %w", c.path, err)
	}
	return f.commit()
}
