package schemas

// Key returns a customer's record key: the id's raw bytes. A framed key would change with its schema id, and with it
// the partition.
func Key(customer string) []byte { return []byte(customer) }

// Partition returns the partition of n on which a customer's records are, in every topic: Kafka's own murmur2 hash of
// the key, as its Java producer and franz-go choose it. n is at least 1.
func Partition(customer string, n int32) int32 {
	return int32(murmur2(customer)&0x7fffffff) % n
}

// murmur2 is the variant of MurmurHash2 that Kafka uses, with its seed.
func murmur2(s string) uint32 {
	const (
		seed uint32 = 0x9747b28c
		m    uint32 = 0x5bd1e995
	)
	h := seed ^ uint32(len(s))
	for ; len(s) >= 4; s = s[4:] {
		k := uint32(s[0]) | uint32(s[1])<<8 | uint32(s[2])<<16 | uint32(s[3])<<24
		k *= m
		k ^= k >> 24
		k *= m
		h = h*m ^ k
	}
	switch len(s) {
	case 3:
		h ^= uint32(s[2]) << 16
		fallthrough
	case 2:
		h ^= uint32(s[1]) << 8
		fallthrough
	case 1:
		h ^= uint32(s[0])
		h *= m
	}
	h ^= h >> 13
	h *= m
	h ^= h >> 15
	return h
}
