package embedded

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// closedName is a file that Close leaves in the folder and Start takes away: without it, the last process was killed.
const closedName = "CLOSED"

// brokerDir is the broker's folder in a cluster's.
func brokerDir(dir string) string { return filepath.Join(dir, "kafka") }

// epochs are of transactions by their producers, which have another epoch in each, and a higher one.
type epochs map[int64]int16

// mend ends the transactions that a killed broker left open in its folder, as a coordinator does that starts again: those
// that have a commit's marker in some partition by commits, the others by aborts. kfake itself takes open ones for aborted
// and writes nothing. If it is killed again, the marker of the producer's next transaction ends them both: what was aborted,
// and has been decided anew, is then committed too. In a folder that was closed in order there are none.
func mend(dir string) error {
	if err := os.Remove(filepath.Join(dir, closedName)); !errors.Is(err, os.ErrNotExist) {
		return err
	}
	dir = brokerDir(dir)
	parts, err := os.ReadDir(filepath.Join(dir, "partitions"))
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	var tails []*tail
	committed := epochs{}
	for _, part := range parts {
		if !part.IsDir() {
			continue // a file browser's
		}
		t, err := readTail(filepath.Join(dir, "partitions", part.Name()), committed)
		if err != nil {
			return fmt.Errorf("partition %s: %w", part.Name(), err)
		}
		tails = append(tails, t)
	}
	ended := epochs{}
	for _, t := range tails {
		for _, pid := range slices.Sorted(maps.Keys(t.open)) {
			if err := t.end(pid, committed.has(pid, t.open[pid])); err != nil {
				return err
			}
			ended[pid] = t.open[pid]
		}
	}
	return noteEnds(filepath.Join(dir, "pids.log"), ended, committed)
}

func (e epochs) has(pid int64, epoch int16) bool {
	last, ok := e[pid]
	return ok && last == epoch
}

// tail is the end of a partition's log.
type tail struct {
	segment     string // the path of the last segment, without its suffix
	next        int64
	leaderEpoch int32
	open        epochs // of the transactions without a marker
}

// readTail reads a partition's log, segment by segment, and notes the last transactions that were committed.
func readTail(dir string, committed epochs) (*tail, error) {
	files, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var bases []int64
	for _, f := range files {
		if name, ok := strings.CutSuffix(f.Name(), ".dat"); ok {
			if base, err := strconv.ParseInt(name, 10, 64); err == nil {
				bases = append(bases, base)
			}
		}
	}
	slices.Sort(bases)
	t := &tail{open: epochs{}}
	for _, base := range bases {
		t.segment = filepath.Join(dir, strconv.FormatInt(base, 10))
		if err := t.read(committed); err != nil {
			return nil, err
		}
	}
	return t, nil
}

// read reads the segment: Kafka's record batches, one behind the other. An index beside it has an entry for each, which is
// written after it, so that the last one may be missing.
func (t *tail) read(committed epochs) error {
	raw, err := os.ReadFile(t.segment + ".dat")
	if err != nil {
		return err
	}
	index, err := os.ReadFile(t.segment + ".idx")
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	index = index[:len(index)/indexEntryBytes*indexEntryBytes]
	entries, whole := 0, 0
	for rest := raw; len(rest) >= batchHeadBytes; rest = raw[whole:] {
		size := batchLengthEnd + int(binary.BigEndian.Uint32(rest[batchLengthEnd-4:]))
		if size < batchHeadBytes || size > len(rest) {
			break
		}
		var b kmsg.RecordBatch
		if err := b.ReadFrom(rest[:size]); err != nil {
			break
		}
		t.next, t.leaderEpoch = b.FirstOffset+int64(b.LastOffsetDelta)+1, b.PartitionLeaderEpoch
		switch {
		case b.Attributes&attributeControl != 0:
			delete(t.open, b.ProducerID)
			if isCommit(&b) {
				committed[b.ProducerID] = max(committed[b.ProducerID], b.ProducerEpoch)
			}
		case b.Attributes&attributeTransactional != 0:
			t.open[b.ProducerID] = b.ProducerEpoch
		}
		whole += size
		if entries++; len(index) < entries*indexEntryBytes {
			index = append(index, indexEntry(&b)...)
		}
	}
	// A batch that was not written whole was not confirmed either.
	if err := os.Truncate(t.segment+".dat", int64(whole)); err != nil {
		return err
	}
	return os.WriteFile(t.segment+".idx", index[:entries*indexEntryBytes], 0o644)
}

// end writes the marker that ends the producer's transaction.
func (t *tail) end(pid int64, commit bool) error {
	key := kmsg.ControlRecordKey{Type: kmsg.ControlRecordKeyTypeAbort}
	if commit {
		key.Type = kmsg.ControlRecordKeyTypeCommit
	}
	marker := kmsg.EndTxnMarker{}
	record := kmsg.Record{Key: key.AppendTo(nil), Value: marker.AppendTo(nil)}
	record.Length = int32(len(record.AppendTo(nil)) - 1) // the length takes a byte itself
	now := time.Now().UnixMilli()
	b := kmsg.RecordBatch{
		FirstOffset: t.next, PartitionLeaderEpoch: t.leaderEpoch, Magic: 2, Attributes: attributeControl | attributeTransactional,
		FirstTimestamp: now, MaxTimestamp: now, ProducerID: pid, ProducerEpoch: t.open[pid], FirstSequence: -1,
		NumRecords: 1, Records: record.AppendTo(nil),
	}
	raw := b.AppendTo(nil)
	b.Length = int32(len(raw) - batchLengthEnd)
	b.CRC = int32(crc32.Checksum(raw[batchCRCEnd:], castagnoli))
	t.next++
	if err := appendTo(t.segment+".dat", b.AppendTo(nil)); err != nil {
		return err
	}
	return appendTo(t.segment+".idx", indexEntry(&b))
}

// noteEnds writes to the broker's log of producers how their last transactions ended. An end raises the epoch, which fences
// a producer that lived on and would go on with what is aborted.
func noteEnds(path string, ended, committed epochs) error {
	var all []byte
	for pid, epoch := range ended {
		entry, err := json.Marshal(map[string]any{"type": "endtx", "pid": pid, "epoch": epoch + 1, "commit": committed.has(pid, epoch)})
		if err != nil {
			return err
		}
		versioned := append(binary.LittleEndian.AppendUint16(nil, persistVersion), entry...)
		all = binary.LittleEndian.AppendUint32(all, uint32(len(versioned)))
		all = binary.LittleEndian.AppendUint32(all, crc32.Checksum(versioned, castagnoli))
		all = append(all, versioned...)
	}
	return appendTo(path, all)
}

// How kfake writes, beside Kafka's own batches.
const (
	persistVersion  = 1
	indexEntryBytes = 15

	batchHeadBytes         = 61
	batchLengthEnd         = 12
	batchCRCEnd            = 21
	attributeTransactional = 1 << 4
	attributeControl       = 1 << 5
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func isCommit(b *kmsg.RecordBatch) bool {
	var record kmsg.Record
	var key kmsg.ControlRecordKey
	return record.ReadFrom(b.Records) == nil && key.ReadFrom(record.Key) == nil && key.Type == kmsg.ControlRecordKeyTypeCommit
}

// indexEntry is what the index says of a batch: a version, a checksum, the leader's epoch, a time that is not read, and
// whether the batch's transaction was open when it was written.
func indexEntry(b *kmsg.RecordBatch) []byte {
	entry := binary.LittleEndian.AppendUint32([]byte{persistVersion, 0}, uint32(b.PartitionLeaderEpoch))
	entry = binary.LittleEndian.AppendUint64(entry, uint64(b.MaxTimestamp))
	open := byte(0)
	if b.Attributes&(attributeTransactional|attributeControl) == attributeTransactional {
		open = 1
	}
	entry = append(entry, open)
	entry[1] = byte(crc32.Checksum(entry[2:], castagnoli))
	return entry
}

func appendTo(path string, b []byte) error {
	if len(b) == 0 {
		return nil
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	return errors.Join(err, f.Close())
}
