package state

import (
	"errors"
	"io"
	"log/slog"
	"os"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/accrue-loyalty/accrue/loyalty"
)

// filterSuffix is added to a partition's folder for the file that keeps the filter over a restart.
const filterSuffix = ".filter"

// loadFilter takes the filter that a clean Close left, if it is of this position, and removes the file: after a crash
// there is none, and the keys are read instead.
func (p *Partition) loadFilter(empty bool) {
	p.filter = newFilter(p.store.cfg.FilterBits)
	name := p.path() + filterSuffix
	kept, err := p.readFilterFile(name)
	if err != nil {
		if !errors.Is(err, os.ErrNotExist) {
			p.log.Info("reading all keys, because the filter can't be used", slog.Any("error", err))
		}
	} else {
		p.filter = kept
	}
	if empty {
		p.filter = newFilter(p.store.cfg.FilterBits)
		p.filter.whole.Store(true)
	}
	if err := p.store.fs.Remove(name); err != nil && !errors.Is(err, os.ErrNotExist) {
		// A file that stays could be taken for a later state's, so nothing may come of it.
		p.log.Warn("removing the kept filter", slog.Any("error", err))
		p.filter = newFilter(p.store.cfg.FilterBits)
	}
}

func (p *Partition) readFilterFile(name string) (*filter, error) {
	f, err := p.store.fs.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(f)
	if err != nil {
		return nil, err
	}
	d := decoder{b: b}
	of := d.take(d.count())
	if string(of) != string(appendPosition(nil, p.position.Load())) {
		return nil, errors.New("it belongs to another position")
	}
	return decodeFilter(d.b, p.store.cfg.FilterBits)
}

func (p *Partition) saveFilter() error {
	b := appendText(nil, string(appendPosition(nil, p.position.Load())))
	b = p.filter.appendTo(b)
	name := p.path() + filterSuffix
	f, err := p.store.fs.Create(name, vfs.WriteCategoryUnspecified)
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	return errors.Join(err, f.Sync(), f.Close())
}

// fillDelay is how long the filter of a partition that a crash left without one is not filled: the processors are first
// needed to serve again.
const fillDelay = time.Second

// fillFilter adds every key to the filter, in the background of a partition that a crash left without one, and one
// partition at a time.
func (p *Partition) fillFilter() {
	time.Sleep(fillDelay)
	p.store.filling.Lock()
	defer p.store.filling.Unlock()
	began := time.Now()
	n := 0
	p.filter.expect(p.position.Load().Ledger * filterKeysPerDecision)
	for _, kind := range []byte{keyAccount, keyReference, keyOrder, keyRedemption, keyExpired, keyChunk} {
		from := []byte{kind}
		for from != nil {
			var err error
			var added int
			if from, added, err = p.fillFilterFrom(kind, from); err != nil {
				if !errors.Is(err, ErrClosed) {
					p.log.Warn("filling the filter", slog.Any("error", err))
				}
				return
			}
			n += added
		}
	}
	p.filter.whole.Store(true)
	p.log.Info("filter is filled", slog.Int("keys", n), slog.Duration("took", time.Since(began)))
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
		return nil, 0, err
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
		if err != nil || !ok {
			return nil, n, errors.Join(err, errValue)
		}
		entries, orders, err := decodeChunk(customer, value)
		if err != nil {
			return nil, n, err
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
	return nil, n, iter.Error()
}
