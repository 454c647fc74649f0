package state

import (
	"bytes"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2"

	"github.com/accrue-loyalty/accrue/loyalty"
)

func TestABatchIsWhatPebbleWouldMakeOfIt(t *testing.T) {
	db, err := pebble.Open(t.TempDir(), &pebble.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	want := db.NewBatch()
	defer want.Close()
	var got batchRepr
	got.reset(0)
	got.set([]byte("left from the batch before"), nil)
	got.reset(10)
	check := func(err error) {
		if err != nil {
			t.Fatal(err)
		}
	}
	// Lengths of one, two and three bytes.
	for _, n := range []int{0, 1, 127, 128, 129, 16_383, 16_384, 70_000} {
		key, value := []byte(strings.Repeat("k", n+1)), []byte(strings.Repeat("v", n))
		got.set(key, value)
		check(want.Set(key, value, nil))
		got.delete(key)
		check(want.Delete(key, nil))
		got.deleteRange(value, key)
		check(want.DeleteRange(value, key, nil))
		s := &snapshot{account: *loyalty.NewAccount("ann"), last: int64(n)}
		s.account.MergedInto = string(value)
		customer := strings.Repeat("c", n)
		got.setAccount(customer, s)
		check(want.Set(appendKey(nil, keyAccount, customer), appendSnapshot(nil, s), nil))
		read, err := decodeSnapshot(customer, appendSnapshot(nil, s))
		check(err)
		if read.account.MergedInto != string(value) || read.last != int64(n) {
			t.Errorf("an account of %d bytes was read back as another", n)
		}
	}
	if !bytes.Equal(got.finish(), want.Repr()) {
		t.Errorf("%d bytes for %d operations, Pebble makes %d for %d, or others", len(got.b), got.count, want.Len(), want.Count())
	}
}

// A batch that is larger than half of the write buffer is not copied by Pebble: the next one must not be written over it.
func TestALargeBatchStaysPebbles(t *testing.T) {
	db, err := pebble.Open(t.TempDir(), &pebble.Options{MemTableSize: 256 << 10})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	p := &Partition{db: db}
	var room batchRepr
	kept := 0
	for i, size := range []int{1 << 10, 1 << 20, 2 << 10, 3 << 20, 3 << 10} {
		room.reset(0)
		room.set([]byte{byte(i)}, bytes.Repeat([]byte{byte(i)}, size))
		if err := p.apply(&room); err != nil {
			t.Fatal(err)
		}
		if room.b != nil {
			kept++
		}
	}
	if kept != 3 {
		t.Errorf("the room was kept after %d batches, want after the three small ones", kept)
	}
	for i, size := range []int{1 << 10, 1 << 20, 2 << 10, 3 << 20, 3 << 10} {
		v, closer, err := db.Get([]byte{byte(i)})
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(v, bytes.Repeat([]byte{byte(i)}, size)) {
			t.Errorf("value %d was written over", i)
		}
		closer.Close()
	}
}
