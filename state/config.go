package state

import (
	"errors"
	"fmt"
	"runtime"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/accrue-loyalty/accrue/events"
	"github.com/accrue-loyalty/accrue/loyalty"
)

// Config says where state lives and how much memory it may take.
type Config struct {
	// Dir is the folder; it is created when missing. One process at a time may use it.
	Dir string
	// FS replaces the operating system's files, in tests; nil: the operating system's.
	FS vfs.FS
	// CacheBytes bounds the block cache that all partitions share. Their write buffers are taken from it. Default 256 MiB.
	CacheBytes int64
	// MemTableBytes is the size of each partition's write buffer, of which two may exist at a time. A small one opens
	// faster after a crash but folds fewer rewrites of an account. Default 32 MiB.
	MemTableBytes uint64
	// AccountsBytes bounds the memory of decoded accounts over all partitions, apart from those that wait to be written: 1.5
	// KB for a customer's first order, some 0.15 for each that follows. It decides the speed with many customers. Default
	// 384 MiB.
	AccountsBytes int64
	// FlushEvents is how many decisions of a partition may wait in memory before they are written. Default 16,000.
	FlushEvents int
	// FlushInterval is how long a decision may wait in memory before it is written. Default 1 s.
	FlushInterval time.Duration
	// RestoreBytes bounds the records that all running restores hold in memory, in equal parts. A small part means many
	// rounds, each of which reads and writes the accounts it is about. Default 384 MiB.
	RestoreBytes int64
	// RestoresMax bounds the restores that run at once, each of which keeps a processor busy; the others wait.
	// Default: as many as there are processors, at most 4.
	RestoresMax int
	// NextDue returns the first instant after the given one at which a tick may have something to do for the account, or
	// 0. It is called by the owners of partitions, several at a time. Nil: nothing is ever due.
	NextDue func(a *loyalty.Account, after events.Instant) events.Instant
	// OnQuarantine is told of a partition that broke, once, on a goroutine of its own. Nil: nobody is.
	OnQuarantine func(partition int32, reason error)
}

// DefaultConfig returns the defaults for dir.
func DefaultConfig(dir string) Config {
	return Config{
		Dir:           dir,
		CacheBytes:    256 << 20,
		MemTableBytes: 32 << 20,
		AccountsBytes: 384 << 20,
		FlushEvents:   16_000,
		FlushInterval: time.Second,
		RestoreBytes:  384 << 20,
		RestoresMax:   min(runtime.GOMAXPROCS(0), 4),
	}
}

// What all partitions of a store share: so much of the cache may be write buffers, and so many decisions wait to be written.
const (
	writeBuffersShare = 0.8
	flushEventsShared = 128_000
)

// Share divides the write buffers, and what may wait to be written, among so many partitions, as far as they all fit no
// more.
func (c *Config) Share(partitions int) {
	buffers := uint64(float64(c.CacheBytes) * writeBuffersShare)
	// Pebble has two of a partition.
	c.MemTableBytes = max(min(c.MemTableBytes, buffers/uint64(2*partitions)), memTableLeast)
	c.FlushEvents = max(min(c.FlushEvents, flushEventsShared/partitions), 1)
}

// memTableLeast is the smallest write buffer that Pebble takes.
const memTableLeast = 256 << 10

// Validate reports everything that is wrong with c at once.
func (c Config) Validate() error {
	var problems []error
	check := func(ok bool, format string, args ...any) {
		if !ok {
			problems = append(problems, fmt.Errorf(format, args...))
		}
	}
	check(c.Dir != "", "Dir: is missing")
	check(c.CacheBytes >= 1<<20, "CacheBytes: is %d, want at least 1 MiB", c.CacheBytes)
	check(c.MemTableBytes >= memTableLeast, "MemTableBytes: is %d, want at least 256 KiB", c.MemTableBytes)
	check(c.MemTableBytes < 2<<30, "MemTableBytes: is %d, want less than 2 GiB", c.MemTableBytes)
	check(c.AccountsBytes >= 0, "AccountsBytes: is %d, want 0 or more", c.AccountsBytes)
	check(c.FlushEvents >= 1, "FlushEvents: is %d, want 1 or more", c.FlushEvents)
	check(c.FlushInterval > 0, "FlushInterval: is %v, want more than 0", c.FlushInterval)
	check(c.RestoreBytes >= 1<<20, "RestoreBytes: is %d, want at least 1 MiB", c.RestoreBytes)
	check(c.RestoresMax >= 1, "RestoresMax: is %d, want 1 or more", c.RestoresMax)
	if len(problems) == 0 {
		return nil
	}
	return fmt.Errorf("state configuration: %w", errors.Join(problems...))
}
