package consumer

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/accrue-loyalty/accrue/events"
	"github.com/accrue-loyalty/accrue/internal/racetest"
	"github.com/accrue-loyalty/accrue/loyalty"
	"github.com/accrue-loyalty/accrue/program"
	"github.com/accrue-loyalty/accrue/schemas"
	"github.com/accrue-loyalty/accrue/state"
)

const memoryProgram = `
program: memory
revision: 1
currency: USD
timezone: Europe/Berlin
hold: 3 days
expiry: {after: 1 month, round_to: end_of_month}
late_events: {accept_within: 60 days}
redemption: {minimum: 1, step: 1, reservation_ttl: 2 days}
tiers:
  window: {rolling_months: 12}
  levels:
    - {name: Bronze, from: 0}
    - {name: Silver, from: 500, multiplier: 1.25}
earn:
  - {id: base, on: OrderPlaced, per: 1.00, points: 1}
  - {id: shoes, on: OrderPlaced, per: 1.00, points: 2, lines: 'line.category == "shoes"'}
`

// shop is a partition without Kafka: its topics, and an engine's worker that decides them.
type shop struct {
	t      *testing.T
	r      *rand.Rand
	codec  *schemas.Codec
	rules  *loyalty.Program
	logs   [topicCount][]shopRecord
	w      *worker
	p      *partition
	names  []string
	upTo   events.Instant
	values [][]byte // the ledger's
	at     []int64  // where they are
}

type shopRecord struct {
	key, value []byte
	at         events.Instant
}

func (s *shop) log(e events.Event, at events.Instant) {
	value, err := s.codec.AppendEvent(nil, e)
	if err != nil {
		s.t.Fatal(err)
	}
	i := indexOf(schemas.TopicOf(e.EventType()))
	s.logs[i] = append(s.logs[i], shopRecord{[]byte(e.Head().Customer), value, at})
}

// write makes a history. Now and then nothing happens for long, so that accounts become empty.
func (s *shop) write(n, idleDays int) {
	at, r := t0Memory, s.r
	for i := range n {
		at += events.Instant(r.IntN(600_000))
		if r.IntN(60) == 0 {
			at += dayMemory * events.Instant(r.IntN(idleDays))
			s.log(&events.Tick{Header: events.Header{ID: fmt.Sprint("tick", i), At: at}}, at)
		}
		c := s.names[r.IntN(len(s.names))]
		h := events.Header{ID: fmt.Sprintf("e%d", i-r.IntN(2)*r.IntN(i+1)), Customer: c, At: at}
		name := func(kind string) string { return fmt.Sprintf("%s-%s-%d", kind, c, r.IntN(30)) }
		var e events.Event
		switch k := r.IntN(100); {
		case k < 45:
			o := &events.OrderPlaced{Header: h, Order: name("o"), Currency: "USD", EmailHash: name("mail")}
			for l := range 1 + r.IntN(4) {
				o.Lines = append(o.Lines, events.Line{Line: fmt.Sprint(l), SKU: name("sku"), Category: []string{"shoes", "hats"}[r.IntN(2)], Quantity: 1, Amount: events.Money(r.IntN(20_000))})
			}
			e = o
		case k < 60:
			e = &events.OrderReturned{Header: h, Order: name("o"), Return: name("t"), Lines: []events.ReturnedLine{{Line: "0", Quantity: 1, Amount: 500}}}
		case k < 65:
			e = &events.OrderCancelled{Header: h, Order: name("o")}
		case k < 80:
			e = &events.RedemptionRequested{Header: h, Redemption: name("r"), Points: events.Points(1 + r.IntN(60)), Order: name("o")}
		case k < 90:
			e = &events.RedemptionConfirmed{Header: h, Redemption: name("r")}
		case k < 98:
			e = &events.TransferRequested{Header: h, Transfer: name("x"), To: s.names[r.IntN(len(s.names))], Points: events.Points(1 + r.IntN(30))}
		case k == 98 && r.IntN(3) == 0:
			e = &events.AccountsMerged{Header: h, Into: s.names[r.IntN(len(s.names))]}
		case k == 99 && r.IntN(5) == 0:
			e = &events.ErasureRequested{Header: h}
		default:
			e = &events.AccountRegistered{Header: h, ReferredBy: c}
		}
		s.log(e, at)
		if log := s.logs[indexOf(schemas.TopicOf(e.EventType()))]; r.IntN(100) == 0 {
			x := &log[len(log)-1]
			x.value = x.value[:len(x.value)/2]
		}
	}
}

const (
	t0Memory  events.Instant = 1_760_000_000_000
	dayMemory events.Instant = 24 * 3600 * 1000
)

// fetch admits what has come by now, in memory that step overwrites. It reports whether anything was left.
func (s *shop) fetch() (more bool) {
	for t, log := range s.logs {
		if next := int(s.p.fetched[t]); next < len(log) && (!more || log[next].at < s.upTo) {
			s.upTo, more = log[next].at, true
		}
	}
	s.upTo += events.Instant(s.r.IntN(8_000_000))
	for t, log := range s.logs {
		for next := int(s.p.fetched[t]); next < len(log) && log[next].at < s.upTo; next++ {
			x := &log[next]
			s.p.waiting[t] = append(s.p.waiting[t], &kgo.Record{
				Topic: string(inputNames[t]), Key: bytes.Clone(x.key), Value: bytes.Clone(x.value), Offset: int64(next), Timestamp: x.at.Time(),
			})
			s.p.fetched[t]++
		}
	}
	s.p.known = s.p.fetched
	return more
}

// settle goes on until nothing waits.
func (s *shop) settle() {
	for s.fetch() || s.p.ready() {
		s.step()
	}
}

// step decides what waits. Some transactions are aborted: then it is decided again, or fetched again before.
func (s *shop) step() {
	w, p := s.w, s.p
	w.out.reset()
	due := time.Second
	d, err := p.decide(w.out, &due)
	if err != nil {
		s.t.Fatal(err)
	}
	taken := p.waiting
	for t := range taken {
		taken[t] = append([]*kgo.Record(nil), taken[t][:p.next.heads[t]]...)
	}
	switch s.r.IntN(6) {
	case 0:
		d.b.Discard()
		p.fetched, p.waiting, p.now.ticks = p.positions(&p.now), queues{}, nil
	case 1:
		d.b.Discard()
		taken = queues{}
	default:
		s.commit(d)
	}
	s.overwrite(&taken)
}

func (s *shop) commit(d *decider) {
	out := s.w.out
	for i := range out.records {
		rec := &out.records[i]
		rec.Offset = s.p.now.position.Ledger + int64(i)
		if rec.Topic == s.p.names[transfersIndex] {
			s.logs[transfersIndex] = append(s.logs[transfersIndex], shopRecord{bytes.Clone(rec.Key), bytes.Clone(rec.Value), events.Instant(d.newest)})
		}
	}
	for _, i := range out.ledger {
		s.values, s.at = append(s.values, bytes.Clone(out.records[i].Value)), append(s.at, out.records[i].Offset)
	}
	s.w.settle([]*decider{d}, out)
	if s.r.IntN(10) == 0 {
		if err := s.p.store.Flush(); err != nil {
			s.t.Error(err)
		}
	}
}

// overwrite fills memory that is about to be used again: that of records that were taken, of what was read of them and of
// the transaction.
func (s *shop) overwrite(taken *queues) {
	fill := func(b []byte) {
		for i := range b {
			b[i] = 0xEE
		}
	}
	for _, records := range taken {
		for _, rec := range records {
			fill(rec.Key)
			fill(rec.Value)
		}
	}
	for _, a := range s.p.ahead {
		if a == nil {
			continue
		}
		for _, e := range a.events {
			if o, ok := e.(*events.OrderPlaced); ok {
				for i := range o.Lines {
					o.Lines[i] = events.Line{Line: "overwritten", Amount: 1}
				}
				*o = events.OrderPlaced{Order: "overwritten", Lines: o.Lines[:0]}
			}
		}
	}
	for _, chunk := range s.w.out.chunks {
		fill(chunk[:cap(chunk)])
	}
}

// read looks at accounts while they are decided. What was read once may never change, and a quote for it changes nothing.
func (s *shop) read(ctx context.Context, r *rand.Rand) {
	type seen struct {
		account *loyalty.Account
		bytes   []byte
	}
	all := make([]seen, 200)
	for ctx.Err() == nil {
		c := s.names[r.IntN(len(s.names))]
		a, _, err := s.p.store.Account(c)
		records, err2 := s.p.store.Records(c)
		if err != nil || err2 != nil {
			s.t.Error(err, err2)
			return
		}
		if a == nil {
			continue
		}
		x := &all[r.IntN(len(all))]
		if x.account != nil {
			order := &events.OrderPlaced{Header: events.Header{Customer: c, At: a.Clock}, Currency: "USD", Lines: []events.Line{{Line: "1", Quantity: 1, Amount: 9900}}}
			loyalty.Calculate(s.rules, x.account, records, order, nil, a.Clock)
			if !bytes.Equal(loyalty.AppendAccount(nil, x.account), x.bytes) {
				s.t.Errorf("an account of %s changed after it was read", x.account.Customer)
				return
			}
		}
		*x = seen{a, loyalty.AppendAccount(nil, a)}
		time.Sleep(50 * time.Microsecond)
	}
}

// model decides the ledger once more, with memory that is never used again, and compares.
func (s *shop) model() {
	history := loyalty.History{s.rules}
	accounts, records := map[string]*loyalty.Account{}, map[string]*loyalty.MemoryRecords{}
	var chain events.Hash
	for n, value := range s.values {
		var d, made events.Decision
		if err := s.codec.DecodeDecision(value, &d); err != nil {
			s.t.Fatal(err)
		}
		if d.Result != events.Unreadable {
			c := d.Customer
			if accounts[c] == nil {
				accounts[c], records[c] = loyalty.NewAccount(c), loyalty.NewMemoryRecords()
			}
			if d.Cause.Topic == string(schemas.TopicClock) {
				made, _ = loyalty.DecideTick(s.rules, history, accounts[c], records[c], d.Clock, d.Cause)
			} else {
				e, err := s.codec.DecodeEvent(s.logs[indexOf(schemas.Topic(d.Cause.Topic))][d.Cause.Offset].value)
				if err != nil {
					s.t.Fatal(err)
				}
				made, _ = loyalty.Decide(s.rules, accounts[c], records[c], loyalty.Input{Event: e, Cause: d.Cause, Clock: d.Clock, History: history})
			}
			made.Chain, made.Program = chain, d.Program
			if again, err := s.codec.AppendDecision(nil, &made); err != nil || !bytes.Equal(again, value) {
				s.t.Fatalf("decision %d is\n%+v, want\n%+v %v", n, d, made, err)
			}
		}
		chain = sha256.Sum256(value)
	}
	for c, want := range accounts {
		got, _, err := s.p.store.Account(c)
		if err != nil || got == nil || !bytes.Equal(loyalty.AppendAccount(nil, got), loyalty.AppendAccount(nil, want)) {
			s.t.Errorf("the account of %s is %+v, want %+v %v", c, got, want, err)
		}
	}
}

// restored folds the ledger in bulk.
func (s *shop) restored(programs *Programs) *state.Partition {
	p := shopState(s.t, programs)
	restore, err := p.Restore(s.t.Context(), int64(len(s.values)), s.codec.DecodeDecision)
	if err != nil {
		s.t.Fatal(err)
	}
	var head events.Decision
	for n, value := range s.values {
		if err := s.codec.DecodeHead(value, &head); err != nil {
			s.t.Fatal(err)
		}
		restore.Add(&head, s.at[n], value)
	}
	if err := restore.Finish(s.t.Context(), s.p.store.Position()); err != nil {
		s.t.Fatal(err)
	}
	return p
}

func shopState(t *testing.T, programs *Programs) *state.Partition {
	cfg := state.DefaultConfig(t.TempDir())
	cfg.CacheBytes, cfg.MemTableBytes = 1<<20, 256<<10
	cfg.FlushEvents, cfg.AccountsBytes = 150, 64<<10 // so that accounts leave the memory
	cfg.NextDue = programs.NextDue
	store, err := state.Open(cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	p, err := store.Partition(0)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// TestMemoryThatIsUsedAgainIsNobodysAnyMore overwrites what the next batch may use while accounts are read, and
// transactions aborted. All must end as if nothing were used again.
func TestMemoryThatIsUsedAgainIsNobodysAnyMore(t *testing.T) {
	t.Parallel()
	for seed, many := range []struct{ customers, idleDays int }{{4, 60}, {100, 5}} {
		t.Run(fmt.Sprintf("%d customers", many.customers), func(t *testing.T) {
			t.Parallel()
			rules, err := program.Parse([]byte(memoryProgram), "memory.yaml")
			if err != nil {
				t.Fatal(err)
			}
			programs := FixedPrograms(rules)
			s := &shop{t: t, r: rand.New(rand.NewPCG(uint64(seed), 1)), codec: schemas.NewCodec(), rules: rules, upTo: t0Memory}
			for i := range many.customers {
				s.names = append(s.names, fmt.Sprint("customer-", i))
			}
			s.write(racetest.Of(2000, 250), many.idleDays)
			cfg := DefaultConfig()
			cfg.Programs, cfg.Log = programs, slog.New(slog.DiscardHandler)
			s.w = newWorker(&Engine{
				cfg: cfg, client: &Client{codec: s.codec}, waiters: newWaiters(), reading: reading{s.codec, 1}, partitions: 1,
				ledgerTopic: "ledger", deadLetterTopic: "deadletter", deadLetterPartitions: 1, batches: batchBounds{1 << 20, 1 << 20},
			}, 0)
			s.w.out = &outbox{}
			s.p = &partition{
				e: s.w.e, store: shopState(t, programs), tenure: &tenure{}, parked: map[origin]parking{},
				parkedCustomers: map[string]struct{}{}, quiet: map[string]struct{}{},
			}
			for i, name := range inputNames {
				s.p.names[i] = string(name)
			}
			s.p.now.clock.offset, s.p.now.position = noTick, s.p.store.Position().Clone()
			ctx, cancel := context.WithCancel(t.Context())
			var reading sync.WaitGroup
			reading.Go(func() { s.read(ctx, rand.New(rand.NewPCG(uint64(seed), 2))) })
			s.settle()
			// A decision says where the clock is, which ticks that had nothing to do don't.
			s.log(&events.ErasureRequested{Header: events.Header{ID: "last", Customer: s.names[0], At: s.upTo}}, s.upTo)
			s.settle()
			cancel()
			reading.Wait()
			s.model()
			if err := state.Compare(s.p.store, s.restored(programs)); err != nil {
				t.Error(err)
			}
		})
	}
}
