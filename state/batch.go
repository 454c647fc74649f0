package state

import (
	"fmt"
	"strings"

	"github.com/accrue-loyalty/accrue/events"
	"github.com/accrue-loyalty/accrue/loyalty"
)

// Batch is an overlay over the committed state for one Kafka transaction. It belongs to the owner's goroutine, and a
// partition has one at a time: it ends with Commit or Discard.
type Batch struct {
	p *Partition
	// touched are the accounts asked for, in order.
	touched  []*touched
	accounts map[string]*touched
	// last is the account asked for last, which is often asked for again.
	last *touched
	// ledger holds the own offset of each decision that was handed to Decided, as far as it had one.
	ledger []int64
	err    error
	// spare are copies of earlier batches, to be used again.
	spare   []*touched
	desk    desk
	evolver loyalty.Evolver
	// read is what [Batch.Prefetch] has read, which is of no interest; but nobody may leave out reading it.
	read int
}

// touched is the batch's copy of an account.
type touched struct {
	// slot is where the account came from; nil: from the disk, or from nowhere.
	slot *slot
	// next is what the customer's snapshot becomes: its account is the copy, the rest follows with the commit.
	next    *snapshot
	records Records
	// entries are what the batch's decisions add to the statement; until the commit their offset is the index of the
	// decision in the batch.
	entries []entry
	// first has room for what one decision leaves, which is all that most batches have of a customer.
	first struct {
		entry [1]entry
		seen  [1]ownSeen
		order [1]orderPut
	}
}

// Begin opens a batch over the committed state.
func (p *Partition) Begin() *Batch {
	if p.batchOpen {
		panic("state: a batch was begun while another is open")
	}
	p.batchOpen = true
	b := &p.batch
	if b.accounts == nil {
		b.accounts = map[string]*touched{}
	}
	return b
}

// unpublished is the last decision of a snapshot of which the offset is not known yet.
const unpublished = -1

// Account returns the batch's own copy of an account, for Decide or Evolve to write to, and its records. A customer
// nobody has heard of gets an empty account. What is done to it counts only if Decided follows.
func (b *Batch) Account(customer string) (*loyalty.Account, *Records, error) {
	t, err := b.touch(customer)
	if err != nil {
		return nil, nil, err
	}
	return &t.next.account, &t.records, nil
}

func (b *Batch) touch(customer string) (*touched, error) {
	if t := b.last; t != nil && t.records.customer == customer {
		return t, t.records.err
	}
	if t := b.accounts[customer]; t != nil {
		b.last = t
		return t, t.records.err
	}
	s, slot, err := b.p.find(customer)
	if err != nil {
		b.fail(err)
		return nil, err
	}
	t := b.copied(customer, s, slot)
	b.last = t
	return t, nil
}

// copied makes the batch's copy of an account that it has none of.
func (b *Batch) copied(customer string, s *snapshot, slot *slot) *touched {
	t := b.blank()
	t.slot, t.next = slot, new(snapshot)
	// Written before it is read: a new page that is first read is mapped twice, and the second time stops all processors.
	t.next.last = unpublished
	switch {
	case s == nil:
		customer = strings.Clone(customer) // as in find
		t.next.account.Customer = customer
	case slot != nil:
		customer = slot.customer
		s.account.Succeed(&t.next.account)
	default:
		customer = s.account.Customer
		t.next.account = s.account
	}
	t.records.open(b.p, customer, s)
	b.accounts[customer] = t
	b.touched = append(b.touched, t)
	return t
}

// blank returns an empty copy to fill.
func (b *Batch) blank() *touched {
	if n := len(b.spare); n > 0 {
		t := b.spare[n-1]
		b.spare = b.spare[:n-1]
		return t
	}
	t := &touched{}
	t.entries, t.records.seen, t.records.orders = t.first.entry[:0], t.first.seen[:0], t.first.order[:0]
	t.records.desk = &b.desk
	return t
}

// What batches keep for later ones: so many copies, none of which has room for more writes than that.
const (
	spareMax       = 8_000
	spareWritesMax = 32
)

// recycle keeps the copies of a batch that has ended.
func (b *Batch) recycle() {
	for i, t := range b.touched {
		if len(b.spare) < spareMax && max(cap(t.records.own.list), cap(t.records.orders)) <= spareWritesMax {
			t.clear()
			b.spare = append(b.spare, t)
		}
		b.touched[i] = nil
	}
	b.touched = b.touched[:0]
	b.desk.forget()
}

func (t *touched) clear() {
	t.slot, t.next = nil, nil
	t.entries = t.entries[:0]
	t.records.clear()
}

func (b *Batch) fail(err error) {
	if b.err == nil {
		b.err = err
	}
}

// Err returns the first error of a read in this batch, of the records too. A decision made after it is worth nothing, so
// look before producing it.
func (b *Batch) Err() error {
	if b.err != nil {
		return b.err
	}
	for _, t := range b.touched {
		if t.records.err != nil {
			b.err = t.records.err
			return b.err
		}
	}
	return nil
}

// Decided takes note of a decision that was made on the accounts of the batch. Every decision of the partition is to be
// handed over, in ledger order, also those that change no account: those without customer and the unreadable ones.
// A decision that was made without Decide (a parked event, say) goes to Fold instead.
func (b *Batch) Decided(d *events.Decision) {
	index := int64(len(b.ledger))
	b.ledger = append(b.ledger, d.Offset)
	if !ofAccount(d) {
		return
	}
	t, err := b.touch(d.Customer)
	if err != nil {
		b.fail(err)
		return
	}
	t.entries = t.records.note(t.entries, d, index)
}

// Fold evolves the batch's copy of the account by a decision of the ledger, and takes note of it like Decided.
func (b *Batch) Fold(d *events.Decision) error {
	if ofAccount(d) {
		t, err := b.touch(d.Customer)
		if err != nil {
			return err
		}
		b.evolver.Evolve(&t.next.account, &t.records, d)
		if t.records.err != nil {
			b.fail(t.records.err)
			return b.err
		}
	}
	b.Decided(d)
	return b.err
}

// ofAccount reports whether the decision belongs to an account. Nobody knows whose an unreadable record was.
func ofAccount(d *events.Decision) bool {
	return d.Customer != "" && d.Result != events.Unreadable
}

// note appends what a decision adds to the statement: an entry for each id that it used up, at least one.
func (r *Records) note(entries []entry, d *events.Decision, offset int64) []entry {
	id := idHash{}
	if d.Cause.Event != "" {
		id = r.hash(loyalty.SeenID(d))
	}
	named := false
	for _, s := range r.seen[r.noted:] {
		entries = append(entries, entry{id: s.id, payload: s.payload, offset: offset, seen: true})
		named = named || s.id == id
	}
	r.noted = len(r.seen)
	if !named {
		entries = append(entries, entry{id: id, offset: offset})
	}
	for i := range r.orders[r.ordersNoted:] {
		r.orders[r.ordersNoted+i].entry = int32(len(entries) - 1)
	}
	r.ordersNoted = len(r.orders)
	return entries
}

// Discard drops the batch. Customers that Due handed out since the last commit are handed out again.
func (b *Batch) Discard() {
	b.p.mu.Lock()
	b.p.schedule.giveBack()
	b.p.mu.Unlock()
	b.end()
}

func (b *Batch) end() {
	if !b.p.batchOpen {
		panic("state: a batch was ended twice")
	}
	clear(b.accounts)
	b.recycle()
	b.last, b.ledger, b.err = nil, b.ledger[:0], nil
	b.p.batchOpen = false
}

// offsets returns the ledger offset of each decision.
func (b *Batch) offsets(given []int64) ([]int64, error) {
	if given == nil {
		return b.ledger, nil
	}
	if len(given) != len(b.ledger) {
		return nil, fmt.Errorf("committing partition %d: %d offsets for %d decisions", b.p.number, len(given), len(b.ledger))
	}
	return given, nil
}
