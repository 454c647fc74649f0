package state

import (
	"encoding/binary"

	"github.com/accrue-loyalty/accrue/events"
)

// The first byte of a key tells what its value is. A customer is written with its length before it, so that no
// customer's keys lie among another's.
const (
	// keyAccount + customer: the account and the tail of its decisions.
	keyAccount = 'a'
	// keyReference + customer + kind + id: nothing; the business id was used up.
	keyReference = 'b'
	// keyFilter + number of a flush: hashes of keys for the filter.
	keyFilter = 'f'
	// keyChunk + customer + number: chunkEntries decisions that left the tail, with the orders that they brought; written
	// again only when the customer's orders are cleared.
	keyChunk = 'g'
	// keyIndex + customer + id hash: the chunk's number, for chunks from indexFrom on.
	keyIndex = 'i'
	// keyMeta + name: format and position.
	keyMeta = 'm'
	// keyOrder + customer + order: an order or review that does not lie with the decision that brought it (orders.go says
	// which).
	keyOrder = 'o'
	// keyRedemption + customer + redemption: a redemption that no longer holds points.
	keyRedemption = 'r'
	// keySchedule: see schedule.go. These keys and keyFilter's depend on when the state was written.
	keySchedule = 's'
	// keyExpired + customer + order: what expired in lots that are gone.
	keyExpired = 'x'
)

const (
	metaFormat   = "mformat"
	metaPosition = "mposition"
	// formatVersion is raised whenever keys or values change their meaning.
	formatVersion = "accrue-state-3"
)

// olderFormats are what earlier versions wrote. A folder of one of them is deleted: the ledger has all that was in it.
var olderFormats = []string{"accrue-state-1", "accrue-state-2"}

// appendKey starts a key that belongs to customer.
func appendKey(b []byte, kind byte, customer string) []byte {
	b = append(b, kind)
	return appendText(b, customer)
}

func appendIDKey[T string | []byte](b []byte, kind byte, customer string, id T) []byte {
	return append(appendKey(b, kind, customer), id...)
}

func appendReferenceKey(b []byte, customer string, r events.Reference) []byte {
	b = appendKey(b, keyReference, customer)
	b = appendText(b, string(r.Kind))
	return append(b, r.ID...)
}

func appendChunkKey(b []byte, customer string, n uint32) []byte {
	return binary.BigEndian.AppendUint32(appendKey(b, keyChunk, customer), n)
}

func appendIndexKey(b []byte, customer string, id idHash) []byte {
	return append(appendKey(b, keyIndex, customer), id[:]...)
}

// appendSeenKey names an id for the filter; no such key is stored.
func appendSeenKey(b []byte, customer string, id idHash) []byte {
	return append(appendKey(b, keyChunk, customer), id[:]...)
}

// splitKey returns the customer and what follows it.
func splitKey(key []byte) (customer string, rest []byte, ok bool) {
	if len(key) == 0 {
		return "", nil, false
	}
	n, size := binary.Uvarint(key[1:])
	if size <= 0 || uint64(len(key)-1-size) < n {
		return "", nil, false
	}
	at := 1 + size
	return string(key[at : at+int(n)]), key[at+int(n):], true
}

// prefixEnd returns the first key after all that begin with prefix.
func prefixEnd(prefix []byte) []byte {
	end := append([]byte(nil), prefix...)
	for i := len(end) - 1; i >= 0; i-- {
		if end[i]++; end[i] != 0 {
			return end[:i+1]
		}
	}
	return nil
}

func appendText(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}
