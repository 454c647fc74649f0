package state

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"log/slog"
	"os"
	"slices"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/accrue-loyalty/accrue/loyalty"
)

// The filter must outlive a crash, because nearly everything would be looked for on the disk without it, and reading all
// keys takes long just when the processors are needed to serve again. So each flush writes the hashes of the keys that it
// adds, in the same batch (keyFilter). Now and then the whole filter goes to a file beside the partition's folder, with the
// number of the last flush that it knows, and the hashes up to that one are dropped.

const (
	// filterSuffix is added to a partition's folder for the filter's file.
	filterSuffix = ".filter"
	// newSuffix is added to the file's name until it is whole.
	newSuffix = ".new"
	// filterLogFlushes is how many flushes' worth of hashes may lie beside the file, a hash a decision. When the partition is
	// closed, one's worth may stay: to read it again takes less than to write and read the file.
	filterLogFlushes = 16
)

// loadFilter reads the file and the hashes of the flushes that came later.
func (p *Partition) loadFilter() error {
	name := p.path() + filterSuffix
	kept, last, err := p.readFilterFile(name)
	switch {
	case err == nil && last > p.schedule.flushes:
		// The disk has lost what was written last, and flushes of the same numbers follow.
		err = errors.New("it is of a later state")
		fallthrough
	case err != nil:
		if !errors.Is(err, os.ErrNotExist) {
			p.log.Info("reading all keys, because the filter can't be used", slog.Any("error", err))
			if err := p.store.fs.Remove(name); err != nil {
				return fmt.Errorf("removing the filter: %w", err)
			}
		}
		kept, last = newFilter(), 0
	}
	p.filter, p.filterKept = kept, last
	hashes, flushes, err := p.loggedHashes(last)
	if err != nil {
		return fmt.Errorf("reading what the filter lacks: %w", err)
	}
	p.filter.expect(int64(len(hashes)))
	for _, h := range hashes {
		p.filter.add(h)
	}
	p.filterLogged = len(hashes)
	p.filter.whole.Store(last+flushes == p.schedule.flushes)
	return nil
}

// loggedHashes returns what flushes after last have added, and how many flushes that were.
func (p *Partition) loggedHashes(last uint64) (hashes []uint64, flushes uint64, err error) {
	iter, err := p.db.NewIter(&pebble.IterOptions{LowerBound: filterKey(last + 1), UpperBound: []byte{keyFilter + 1}})
	if err != nil {
		return nil, 0, err
	}
	defer func() { err = errors.Join(err, iter.Close()) }()
	for iter.First(); iter.Valid(); iter.Next() {
		b, err := iter.ValueAndErr()
		if err != nil {
			return nil, 0, err
		}
		for ; len(b) >= 8; b = b[8:] {
			hashes = append(hashes, binary.LittleEndian.Uint64(b))
		}
		flushes++
	}
	return hashes, flushes, iter.Error()
}

func filterKey(flush uint64) []byte { return binary.BigEndian.AppendUint64([]byte{keyFilter}, flush) }

func appendHashes(b []byte, hashes []uint64) []byte {
	b = slices.Grow(b, 8*len(hashes))
	for _, h := range hashes {
		b = binary.LittleEndian.AppendUint64(b, h)
	}
	return b
}

func (p *Partition) readFilterFile(name string) (kept *filter, last uint64, err error) {
	f, err := p.store.fs.Open(name)
	if err != nil {
		return nil, 0, err
	}
	defer f.Close()
	b, err := io.ReadAll(f)
	if err != nil {
		return nil, 0, err
	}
	sum := len(b) - crc32.Size
	if sum < 0 || crc32.ChecksumIEEE(b[:sum]) != binary.LittleEndian.Uint32(b[sum:]) {
		return nil, 0, fmt.Errorf("%w: filter", errValue)
	}
	d := decoder{b: b[:sum]}
	last = d.uint()
	return decodeFilter(d.b), last, nil
}

// keepFilterLong writes the filter's file when the hashes beside it have become many.
func (p *Partition) keepFilterLong() {
	p.mu.Lock()
	long := p.filterLogged > filterLogFlushes*p.store.cfg.FlushEvents
	p.mu.Unlock()
	if long {
		p.keepFilterOpen()
	}
}

// keepFilterOpen is keepFilter for a partition that may be closed or break meanwhile.
func (p *Partition) keepFilterOpen() {
	_ = p.guarded(func() error {
		if err := p.enter(); err != nil {
			return err
		}
		defer p.leave()
		p.keepFilter()
		return nil
	})
}

// keepFilter writes the filter's file, as of the last flush that is done. Without it the next start takes longer, so an
// error is only told.
func (p *Partition) keepFilter() {
	p.filterFile.Lock()
	defer p.filterFile.Unlock()
	p.mu.Lock()
	last, logged := p.flushed, p.filterLogged
	p.mu.Unlock()
	if !p.filter.whole.Load() {
		return
	}
	if err := p.writeFilter(last); err != nil {
		p.log.Warn("keeping the filter", slog.Any("error", err))
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.filterKept = last
	p.filterLogged -= logged
}

func (p *Partition) writeFilter(last uint64) error {
	// No flush may be lost that the file knows of.
	if err := p.db.LogData(nil, pebble.Sync); err != nil {
		return err
	}
	b := p.filter.appendTo(binary.AppendUvarint(nil, last))
	b = binary.LittleEndian.AppendUint32(b, crc32.ChecksumIEEE(b))
	name := p.path() + filterSuffix
	f, err := p.store.fs.Create(name+newSuffix, vfs.WriteCategoryUnspecified)
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	return p.store.fs.Rename(name+newSuffix, name)
}

// fillDelay is how long a filter that lacks keys is not filled: the processors are first needed to serve again. fillPause is
// how long the operating system is left alone when it does not let it be filled.
const (
	fillDelay = time.Second
	fillPause = 10 * time.Second
)

// fillFilter adds every key to the filter of a partition that lacks some, in the background and one partition at a time.
func (p *Partition) fillFilter() {
	for pause := fillDelay; ; pause = fillPause {
		time.Sleep(pause)
		p.store.filling.Lock()
		// Whatever hangs in a broken database must not keep the others waiting.
		err := p.guarded(p.fillFilterWhole)
		p.store.filling.Unlock()
		if err == nil {
			p.keepFilterOpen()
			return
		}
		if errors.Is(err, ErrClosed) || p.Err() != nil {
			return
		}
		p.log.Warn("filling the filter; it will be tried again", slog.Any("error", err))
	}
}

func (p *Partition) fillFilterWhole() error {
	began := time.Now()
	n := 0
	p.filter.expect(p.position.Load().Ledger * filterKeysPerDecision)
	for _, kind := range []byte{keyAccount, keyReference, keyOrder, keyRedemption, keyExpired, keyChunk} {
		from := []byte{kind}
		for from != nil {
			var err error
			var added int
			if from, added, err = p.fillFilterFrom(kind, from); err != nil {
				return err
			}
			n += added
		}
	}
	p.filter.whole.Store(true)
	p.log.Info("filter is filled", slog.Int("keys", n), slog.Duration("took", time.Since(began)))
	return nil
}

// fillFilterFrom adds a stretch of keys and returns where the next begins; nil: nowhere.
func (p *Partition) fillFilterFrom(kind byte, from []byte) (next []byte, n int, err error) {
	const stretch = 20_000
	if err := p.enter(); err != nil {
		return nil, 0, err
	}
	defer p.leave()
	if p.closing.Load() {
		return nil, 0, ErrClosed
	}
	iter, err := p.db.NewIter(&pebble.IterOptions{LowerBound: from, UpperBound: []byte{kind + 1}})
	if err != nil {
		return nil, 0, p.readError(err)
	}
	defer func() { err = errors.Join(err, iter.Close()) }()
	var key []byte
	for iter.First(); iter.Valid(); iter.Next() {
		if n == stretch {
			return append([]byte(nil), iter.Key()...), n, nil
		}
		n++
		if kind != keyChunk {
			p.filter.add(hashKey(iter.Key()))
			continue
		}
		customer, _, ok := splitKey(iter.Key())
		value, err := iter.ValueAndErr()
		if err != nil {
			return nil, n, p.readError(err)
		}
		entries, orders, err := decodeChunk(customer, value)
		if err != nil || !ok {
			return nil, n, p.checked(fmt.Errorf("%w: a customer's chunk", errValue))
		}
		for i := range entries {
			if entries[i].seen {
				key = appendSeenKey(key[:0], customer, entries[i].id)
				p.filter.add(hashKey(key))
			}
		}
		for record := range eachOrder(orders) {
			key = appendIDKey(key[:0], keyOrder, customer, loyalty.OrderID(record))
			p.filter.add(hashKey(key))
		}
	}
	return nil, n, p.iterError(iter)
}
