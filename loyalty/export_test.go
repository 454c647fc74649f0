package loyalty

// Encode returns the bytes of an account with all its records, for comparisons.
func Encode(a *Account, r Records) []byte { return appendMerged(nil, a, r.All()) }
