package consumer

import (
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/accrue-loyalty/accrue/internal/racetest"
)

func TestFetchedMemoryHasRoomAndNotTooMuch(t *testing.T) {
	var p fetchPools
	for round := range 3 {
		for n := 0; n < 5000; n += racetest.Of(1, 37) {
			r := p.GetRecords(n)
			if n < pooledRecordsMin {
				if r != nil {
					t.Fatalf("%d records are pooled", n)
				}
				continue
			}
			if len(r) != 0 || cap(r) < n || cap(r) >= 4*n {
				t.Fatalf("round %d: %d of %d records for %d", round, len(r), cap(r), n)
			}
			// The client may have needed more, or less.
			if n%3 == 0 {
				r = make([]kgo.Record, n+n/3)
			}
			p.PutRecords(r)
		}
	}
	p.PutDecompressBytes(nil)
	for _, n := range []int{0, 1, pooledBytesMin/compressedTo - 1, pooledBytesMin / compressedTo, 1 << 20} {
		b := p.GetDecompressBytes(make([]byte, n), kgo.CodecLz4)
		if pooled := n*compressedTo >= pooledBytesMin; pooled != (b != nil) || pooled && cap(b) < n*compressedTo {
			t.Errorf("room for %d compressed bytes is %d", n, cap(b))
		}
		p.PutDecompressBytes(b)
	}
}

func TestManyPartitionsAreFetchedInSmallerParts(t *testing.T) {
	for partitions, want := range map[int32]int32{0: 1 << 20, 1: 1 << 20, 16: 1 << 20, 64: 256 << 10, 1000: 64 << 10} {
		if got := fetchPartitionBytes(partitions); got != want {
			t.Errorf("of each of %d partitions %d bytes, want %d", partitions, got, want)
		}
	}
}
