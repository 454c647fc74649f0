package loyalty

// Touch reads a from end to end, and TouchLists the ends of its lists: where deciding the next event reads and writes.
// They bring that memory into the processor's cache, for who has more than one account to wait for; what they return
// is of no interest.
func (a *Account) Touch() int {
	return int(a.Clock) + len(a.Lots) + int(a.Totals.Redeemed) + len(a.Counters) + len(a.MergedInto) + int(a.tally.due)
}

// TouchLists belongs to [Account.Touch].
func (a *Account) TouchLists() (read int) {
	if n := len(a.Lots); n > 0 {
		read += int(a.Lots[n-1].EarnedAt)
		if n < cap(a.Lots) {
			l := &a.Lots[:n+1][n]
			read += int(l.ID) + int(l.ExpiresAt)
		}
	}
	if n := len(a.Qualifying); n > 0 {
		read += int(a.Qualifying[0].At) + int(a.Qualifying[n-1].At)
		if n < cap(a.Qualifying) {
			read += int(a.Qualifying[:n+1][n].Points)
		}
	}
	return read
}
