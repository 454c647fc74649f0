package api

// AppendBalance is the hot route's JSON.
func AppendBalance(dst []byte, b *Balance) []byte {
	return appendBalanceTail(appendSummary(dst, b), []byte(b.Position), b.AsOf)
}
