package main

import "testing"

func TestMemoryIsDividedAsFarAsItGoes(t *testing.T) {
	for mib, accounts := range map[int64]int64{memoryLeastMiB: 25, 1550: 367, 8000: 2625} {
		m := divide(mib << 20)
		if got := m.accounts >> 20; got != accounts {
			t.Errorf("%d MiB: %d for accounts, want %d", mib, got, accounts)
		}
		if used := m.cache + max(m.accounts, m.restore); used > m.total*3/4 {
			t.Errorf("%d MiB: %d of %d are given away", mib, used, m.total)
		}
	}
}
