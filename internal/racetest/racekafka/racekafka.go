// Package racekafka is apart from racetest so that tests without Kafka need not be linked with its client.
package racekafka

import (
	"bytes"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/accrue-loyalty/accrue/internal/racetest"
)

// Options are what tests tell their Kafka clients besides: not to compress under the race detector, whatever the client
// would choose. LZ4 works in buffers of 4 MB, of which the detector has sync.Pool drop some, and clears four times as much
// memory for each new one; with the small batches of tests that took most of the time.
func Options() []kgo.Opt {
	if !racetest.Enabled {
		return nil
	}
	return []kgo.Opt{kgo.WithCompressor(uncompressed{})}
}

type uncompressed struct{}

// Compress implements [kgo.Compressor].
func (uncompressed) Compress(_ *bytes.Buffer, src []byte, _ ...kgo.CompressFlag) ([]byte, kgo.CompressionCodecType) {
	return src, kgo.CodecNone
}
