package api

// Routes are the patterns of all routes, such as "GET /v1/customers/{customer}/lots".
func (s *Server) Routes() []string { return s.patterns }

// AppendBalance is the hot route's JSON.
func AppendBalance(dst []byte, b *Balance) []byte {
	return appendBalanceTail(appendSummary(dst, b), []byte(b.Position), b.AsOf)
}

// HeldMax is how many requests are held at once.
const HeldMax = heldMax

// Words are what a reason is explained with.
func Words(code string) string { return Reason(code).words() }
