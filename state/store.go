package state

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// Store is a folder with the state of some partitions. Its methods may be called from any goroutine.
type Store struct {
	cfg   Config
	fs    vfs.FS
	log   *slog.Logger
	lock  io.Closer
	cache *pebble.Cache
	// open counts open partitions, restoring those that are being restored; they share what memory there is.
	open, restoring atomic.Int32
	// restores holds a token for each restore that runs.
	restores chan struct{}

	compactions *compactions
	// writing has the room for each partition that may be written at a time.
	writing chan *batchRepr

	// filling is held by the one partition whose filter is being filled.
	filling sync.Mutex

	mu         sync.Mutex
	closed     bool
	partitions map[int32]*Partition
	// turns are held while a partition is opened or dropped, which takes time: others go on meanwhile. A turn is taken
	// before mu. opening counts the opening ones, for Close to wait for.
	turns   map[int32]*sync.Mutex
	opening sync.WaitGroup
	// spare are what restores that ended have gathered in, for those that wait.
	spare []*gathering
	// abandoned are folders whose quarantined database may still be writing; they are removed by the next Open.
	abandoned map[string]bool
	// trouble is when the disk first had trouble to read a folder's files.
	trouble map[string]time.Time
}

// Open opens the folder and locks it: a second Store with the same folder gets [ErrInUse]. Partitions are opened by
// [Store.Partition].
func Open(cfg Config, log *slog.Logger) (*Store, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	fs := cfg.FS
	if fs == nil {
		fs = vfs.Default
	}
	if err := fs.MkdirAll(cfg.Dir, 0o755); err != nil {
		return nil, fmt.Errorf("creating state folder %s: %w", cfg.Dir, err)
	}
	if err := checkOurs(fs, cfg.Dir); err != nil {
		return nil, err
	}
	name := fs.PathJoin(cfg.Dir, lockFile)
	lock, err := fs.Lock(name)
	if err != nil {
		// A file that can't be made or opened is nobody's.
		var path *os.PathError
		if errors.As(err, &path) {
			return nil, fmt.Errorf("locking: %w", err)
		}
		return nil, fmt.Errorf("locking %s: %w (%w)", name, ErrInUse, err)
	}
	s := &Store{
		cfg: cfg, fs: fs, log: log, lock: lock,
		cache:       pebble.NewCache(cfg.CacheBytes),
		partitions:  map[int32]*Partition{},
		turns:       map[int32]*sync.Mutex{},
		abandoned:   map[string]bool{},
		trouble:     map[string]time.Time{},
		compactions: newCompactions(),
		restores:    make(chan struct{}, cfg.RestoresMax),
		writing:     make(chan *batchRepr, flushesMax),
	}
	for range flushesMax {
		s.writing <- &batchRepr{}
	}
	if err := s.removeTables(); err != nil {
		s.cache.Unref()
		return nil, errors.Join(err, lock.Close())
	}
	return s, nil
}

// Partition returns partition number, opening it when it is not open. All callers share it; [Partition.Close] closes it
// for everybody.
func (s *Store) Partition(number int32) (*Partition, error) {
	defer s.turn(number)()
	s.mu.Lock()
	p, closed := s.partitions[number], s.closed
	if p == nil && !closed {
		s.opening.Add(1)
		defer s.opening.Done()
	}
	s.mu.Unlock()
	switch {
	case closed:
		return nil, fmt.Errorf("opening partition %d: %w", number, ErrClosed)
	case p != nil:
		return p, nil
	}
	p, err := s.openPartition(number)
	if err != nil {
		return nil, fmt.Errorf("opening partition %d: %w", number, err)
	}
	s.mu.Lock()
	s.partitions[number] = p
	s.open.Add(1)
	s.mu.Unlock()
	return p, nil
}

// turn waits until nobody else opens or drops the partition, and returns what ends the caller's turn.
func (s *Store) turn(number int32) (end func()) {
	s.mu.Lock()
	t := s.turns[number]
	if t == nil {
		t = new(sync.Mutex)
		s.turns[number] = t
	}
	s.mu.Unlock()
	t.Lock()
	return t.Unlock
}

// Lookup returns partition number if it is open.
func (s *Store) Lookup(number int32) (*Partition, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.partitions[number]
	return p, p != nil
}

// forget takes a closed partition out, so that it can be opened anew.
func (s *Store) forget(p *Partition) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.partitions[p.number] == p {
		delete(s.partitions, p.number)
		s.open.Add(-1)
	}
}

// Drop deletes all that is kept of a partition, closing it first; the next [Store.Partition] starts empty. A quarantined
// partition's database can't be stopped for certain, so its folder is left behind for the next [Open] to remove.
func (s *Store) Drop(number int32) error {
	defer s.turn(number)()
	if p, ok := s.Lookup(number); ok {
		p.discard()
	}
	folders, err := s.folders(number)
	if err != nil {
		return err
	}
	for _, f := range folders {
		if s.isAbandoned(f.name) {
			continue
		}
		if err := s.remove(f.name); err != nil {
			return fmt.Errorf("dropping partition %d: %w", number, err)
		}
	}
	return nil
}

func (s *Store) remove(folder string) error {
	path := s.fs.PathJoin(s.cfg.Dir, folder)
	for _, name := range []string{path + filterSuffix, path + filterSuffix + newSuffix} {
		if err := s.fs.Remove(name); err != nil && !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("removing %s: %w", name, err)
		}
	}
	if err := s.fs.RemoveAll(path); err != nil {
		return fmt.Errorf("removing %s: %w", path, err)
	}
	return nil
}

// Close closes all partitions and unlocks the folder.
func (s *Store) Close() error {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return nil
	}
	s.closed = true
	s.mu.Unlock()
	s.opening.Wait()
	s.mu.Lock()
	var open []*Partition
	for _, p := range s.partitions {
		open = append(open, p)
	}
	s.mu.Unlock()
	var errs []error
	for _, p := range open {
		errs = append(errs, p.Close())
	}
	s.cache.Unref()
	return errors.Join(append(errs, s.lock.Close())...)
}

// bytesPerShard is a partition's part of the memory for accounts, by shard.
func (s *Store) bytesPerShard() int64 {
	return s.cfg.AccountsBytes / shardCount / max(int64(s.open.Load()), 1)
}

// folder is where one generation of a partition lives: "004", or "004.2" after two drops of a quarantined database.
type folder struct {
	name       string
	generation int
}

func folderName(number int32, generation int) string {
	if generation == 0 {
		return fmt.Sprintf("%03d", number)
	}
	return fmt.Sprintf("%03d.%d", number, generation)
}

// parseFolder is the opposite of folderName. Other numbers are somebody else's: a folder "1.4" would be taken for one that
// is no longer needed beside a "1.5".
func parseFolder(name string) (number int32, f folder, ok bool) {
	first, rest, dotted := strings.Cut(name, ".")
	n, err := strconv.ParseInt(first, 10, 32)
	if err != nil || n < 0 {
		return 0, folder{}, false
	}
	generation := 0
	if dotted {
		if generation, err = strconv.Atoi(rest); err != nil {
			return 0, folder{}, false
		}
	}
	if name != folderName(int32(n), generation) {
		return 0, folder{}, false
	}
	return int32(n), folder{name, generation}, true
}

// folders lists the generations of a partition.
func (s *Store) folders(number int32) ([]folder, error) {
	names, err := s.fs.List(s.cfg.Dir)
	if err != nil {
		return nil, fmt.Errorf("listing %s: %w", s.cfg.Dir, err)
	}
	var all []folder
	for _, name := range names {
		if n, f, ok := parseFolder(name); ok && n == number {
			all = append(all, f)
		}
	}
	return all, nil
}

// Kept lists the partitions that the folder has something of, open or not, in order.
func (s *Store) Kept() ([]int32, error) {
	names, err := s.fs.List(s.cfg.Dir)
	if err != nil {
		return nil, fmt.Errorf("listing %s: %w", s.cfg.Dir, err)
	}
	var all []int32
	for _, name := range names {
		if n, _, ok := parseFolder(name); ok {
			all = append(all, n)
		}
	}
	slices.Sort(all)
	return slices.Compact(all), nil
}

// isAbandoned reports whether a quarantined database may still be writing to the folder.
func (s *Store) isAbandoned(folder string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.abandoned[folder]
}

func (s *Store) abandon(folder string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.abandoned[folder] = true
}

// folderOf picks the newest generation that nothing else may be writing to, and removes older ones.
func (s *Store) folderOf(number int32) (string, error) {
	all, err := s.folders(number)
	if err != nil {
		return "", err
	}
	newest := folder{generation: -1}
	next := 0
	for _, f := range all {
		next = max(next, f.generation+1)
		if !s.isAbandoned(f.name) && f.generation > newest.generation {
			newest = f
		}
	}
	for _, f := range all {
		if f != newest && !s.isAbandoned(f.name) {
			if err := s.remove(f.name); err != nil {
				return "", err
			}
		}
	}
	if newest.generation < 0 {
		return folderName(number, next), nil
	}
	return newest.name, nil
}
