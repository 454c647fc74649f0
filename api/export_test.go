package api

// AppendBalance is the hot route's JSON.
func AppendBalance(dst []byte, b *Balance) []byte {
	return appendBalanceTail(appendSummary(dst, b), []byte(b.Position), b.AsOf)
}

// Words are what a reason is explained with.
func Words(code string) string { return Reason(code).words() }
