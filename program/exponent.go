package program

// Exponent returns the number of decimals of an ISO 4217 currency (2 for USD, 0 for JPY); ok is false for a code that
// is none.
func Exponent(code string) (decimals int, ok bool) { return currencyExponent(code) }
