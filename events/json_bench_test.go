package events_test

import (
	"strconv"
	"strings"
	"testing"

	"github.com/accrue-loyalty/accrue/events"
)

// BenchmarkDecodeJSON reads orders as import and simulate do, by the million.
func BenchmarkDecodeJSON(b *testing.B) {
	for _, lines := range []int{1, 10} {
		b.Run(strconv.Itoa(lines)+"lines", func(b *testing.B) {
			all := make([]string, lines)
			for i := range all {
				all[i] = `{"line":"` + strconv.Itoa(i+1) + `","sku":"sku-4711","category":"shoes","quantity":1,"amount_minor":4995}`
			}
			text := []byte(`{"type":"OrderPlaced","id":"shop:10248","customer":"customer-17","at":"2026-11-22T10:00:00Z","order":"10248",` +
				`"currency":"USD","channel":"WEB","lines":[` + strings.Join(all, ",") + `],"tax_minor":399}`)
			b.SetBytes(int64(len(text)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := events.DecodeJSON(text); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkCheckJSON is the part of BenchmarkDecodeJSON that looks for what encoding/json lets pass.
func BenchmarkCheckJSON(b *testing.B) {
	text := []byte(order)
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		if err := events.CheckJSON(text); err != nil {
			b.Fatal(err)
		}
	}
}
