package schemas

import "encoding/binary"

// The two framings. Their first bytes differ, so a reader accepts both.
const (
	singleObjectMark1 = 0xC3
	singleObjectMark2 = 0x01
	singleObjectBytes = 2 + 8

	registryMark  = 0x00
	registryBytes = 1 + 4
)

func singleObjectPrefix(fingerprint uint64) []byte {
	return binary.LittleEndian.AppendUint64([]byte{singleObjectMark1, singleObjectMark2}, fingerprint)
}

func registryPrefix(id uint32) []byte {
	return binary.BigEndian.AppendUint32([]byte{registryMark}, id)
}

// unframe finds out who wrote value and returns its body.
func (c *Codec) unframe(value []byte) (*writer, []byte, error) {
	switch {
	case len(value) > RecordBytesMax:
		return nil, nil, unreadable(CodeTooLarge, "%d bytes, at most %d are allowed", len(value), RecordBytesMax)
	case len(value) >= singleObjectBytes && value[0] == singleObjectMark1 && value[1] == singleObjectMark2:
		f := binary.LittleEndian.Uint64(value[2:])
		w := (*c.byFingerprint.Load())[f]
		if w == nil {
			return nil, nil, unreadable(CodeUnknownSchema,
				"no schema has the fingerprint %016x: the writer may be newer than this reader, which then has to be upgraded first", f)
		}
		return w, value[singleObjectBytes:], nil
	case len(value) >= registryBytes && value[0] == registryMark:
		w, err := c.writerByID(binary.BigEndian.Uint32(value[1:]))
		return w, value[registryBytes:], err
	case len(value) == 0:
		return nil, nil, unreadable(CodeFraming, "the record has no value, where an event is expected")
	default:
		n := min(len(value), 4)
		return nil, nil, unreadable(CodeFraming,
			"%d bytes beginning with % x: expected c3 01 (Avro single object) or 00 (schema registry)", len(value), value[:n])
	}
}
