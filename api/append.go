package api

import (
	"encoding/json"
	"fmt"
	"strconv"

	"github.com/accrue-loyalty/accrue/events"
	"github.com/accrue-loyalty/accrue/loyalty"
)

// appendSummary appends b up to its position, as encoding/json would write it.
func appendSummary(dst []byte, b *Balance) []byte {
	dst = appendText(append(dst, `{"customer":`...), b.Customer)
	dst = appendNumber(dst, `,"active":`, int64(b.Active))
	dst = appendNumber(dst, `,"pending":`, int64(b.Pending))
	dst = appendNumber(dst, `,"reserved":`, int64(b.Reserved))
	dst = appendNumber(dst, `,"deficit":`, int64(b.Deficit))
	dst = appendText(append(dst, `,"tier":`...), b.Tier)
	dst = appendNumber(dst, `,"qualifying_minor":`, b.QualifyingMinor)
	if b.QualifyingPoints != nil {
		dst = appendNumber(dst, `,"qualifying_points":`, int64(*b.QualifyingPoints))
	}
	dst = appendTotals(append(dst, `,"totals":`...), &b.Totals)
	dst = appendExpiring(append(dst, `,"expiring":`...), b.Expiring)
	if b.ExpiredDue != 0 {
		dst = appendNumber(dst, `,"expired_due":`, int64(b.ExpiredDue))
	}
	if b.MergedInto != "" {
		dst = appendText(append(dst, `,"merged_into":`...), b.MergedInto)
	}
	return dst
}

// appendBalanceTail ends what appendSummary began.
func appendBalanceTail(dst, position []byte, asOf events.Instant) []byte {
	dst = append(dst, `,"position":"`...)
	dst = append(dst, position...)
	dst = append(dst, `","as_of":`...)
	dst = appendInstant(dst, asOf)
	return append(dst, '}', '\n')
}

func appendTotals(dst []byte, t *loyalty.Totals) []byte {
	dst = appendNumber(dst, `{"issued":`, int64(t.Issued))
	dst = appendNumber(dst, `,"redeemed":`, int64(t.Redeemed))
	dst = appendNumber(dst, `,"expired":`, int64(t.Expired))
	dst = appendNumber(dst, `,"revoked":`, int64(t.Revoked))
	dst = appendNumber(dst, `,"reinstated":`, int64(t.Reinstated))
	dst = appendNumber(dst, `,"adjusted":`, int64(t.Adjusted))
	dst = appendNumber(dst, `,"transferred_in":`, int64(t.TransferredIn))
	dst = appendNumber(dst, `,"transferred_out":`, int64(t.TransferredOut))
	dst = appendNumber(dst, `,"forfeited":`, int64(t.Forfeited))
	return append(dst, '}')
}

func appendExpiring(dst []byte, all []loyalty.Expiring) []byte {
	if all == nil {
		return append(dst, "null"...)
	}
	dst = append(dst, '[')
	for i := range all {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendInstant(append(dst, `{"at":`...), all[i].At)
		dst = appendNumber(dst, `,"points":`, int64(all[i].Points))
		dst = append(dst, '}')
	}
	return append(dst, ']')
}

func appendNumber(dst []byte, before string, n int64) []byte {
	return strconv.AppendInt(append(dst, before...), n, 10)
}

func appendInstant(dst []byte, t events.Instant) []byte {
	if t == 0 {
		return append(dst, "null"...)
	}
	return append(t.AppendTo(append(dst, '"')), '"')
}

// appendText appends s as a JSON string. Nearly every id is plain ASCII; the rest is left to encoding/json.
func appendText(dst []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < 0x20 || c >= 0x7f || c == '"' || c == '\\' || c == '<' || c == '>' || c == '&' {
			quoted, err := json.Marshal(s)
			if err != nil {
				panic(fmt.Sprintf("api: a string has no JSON form: %v", err))
			}
			return append(dst, quoted...)
		}
	}
	dst = append(dst, '"')
	dst = append(dst, s...)
	return append(dst, '"')
}
