package consumer

import (
	"math/bits"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// fetchMaxWait is how long a broker holds a fetch for which it has no records.
const fetchMaxWait = 500 * time.Millisecond

// What a fetch brings of one partition, and of all partitions of a topic if one instance has them.
const (
	fetchLeastBytes = 64 << 10
	fetchMostBytes  = 1 << 20
	fetchAllBytes   = 16 << 20
)

// fetchPartitionBytes is what a fetch brings of one of so many partitions, several batches: what is fetched ahead takes
// several times as much memory. All partitions together stay below what a fetch may bring in all (50 MB): see the
// projector's reader for why.
func fetchPartitionBytes(partitions int32) int32 {
	return min(max(fetchAllBytes/max(partitions, 1), fetchLeastBytes), fetchMostBytes)
}

// fetchPools are memory for what is fetched: the client decompresses to it and makes its records in it, and gets it back
// when the last record of a batch was recycled. Records that never are leave theirs to the collector. Small batches are
// not worth it.
type fetchPools struct {
	bytes   [64]sync.Pool // of *[]byte, by the bits of their capacity
	records [64]sync.Pool // of *[]kgo.Record
}

var (
	_ kgo.PoolDecompressBytes = (*fetchPools)(nil)
	_ kgo.PoolRecords         = (*fetchPools)(nil)
)

const (
	// compressedTo is how many times longer records are than compressed ones, roughly.
	compressedTo     = 4
	pooledBytesMin   = 16 << 10
	pooledRecordsMin = 64
)

// GetDecompressBytes implements [kgo.PoolDecompressBytes].
func (p *fetchPools) GetDecompressBytes(compressed []byte, _ kgo.CompressionCodecType) []byte {
	return take[byte](&p.bytes, len(compressed)*compressedTo, pooledBytesMin)
}

// PutDecompressBytes implements [kgo.PoolDecompressBytes].
func (p *fetchPools) PutDecompressBytes(b []byte) { put(&p.bytes, b, pooledBytesMin) }

// GetRecords implements [kgo.PoolRecords].
func (p *fetchPools) GetRecords(n int) []kgo.Record {
	return take[kgo.Record](&p.records, n, pooledRecordsMin)
}

// PutRecords implements [kgo.PoolRecords].
func (p *fetchPools) PutRecords(r []kgo.Record) { put(&p.records, r, pooledRecordsMin) }

// take returns an empty slice with room for n, and for less than four times as many; nil when so few are not pooled.
func take[T any](pools *[64]sync.Pool, n, least int) []T {
	if n < least {
		return nil
	}
	class := bits.Len(uint(n - 1))
	if s, ok := pools[class].Get().(*[]T); ok {
		return (*s)[:0]
	}
	return make([]T, 0, 1<<class)
}

// put keeps a slice for take.
func put[T any](pools *[64]sync.Pool, s []T, least int) {
	if cap(s) >= least {
		pools[bits.Len(uint(cap(s)))-1].Put(&s)
	}
}
