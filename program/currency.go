package program

import (
	"math/big"
	"strings"
)

// The currencies of ISO 4217 as of January 2026 by their number of decimals; funds and metals without one left out.
// The six at the end were withdrawn since 2021, but old orders have them. CLDR, which is what golang.org/x/text knows,
// gives other decimals for a dozen of them (IQD, IRR, LBP …), because it describes prices, not accounts.
const (
	currencies0 = "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF"
	currencies2 = "AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BMD BND BOB BOV BRL BSD BTN BWP BYN BZD CAD CDF " +
		"CHE CHF CHW CNY COP COU CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD HKD " +
		"HNL HTG HUF IDR ILS INR IRR JMD KES KGS KHR KPW KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP MRU " +
		"MUR MVR MWK MXN MXV MYR MZN NAD NGN NIO NOK NPR NZD PAB PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SDG " +
		"SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TOP TRY TTD TWD TZS UAH USD USN UYU UZS VED VES WST " +
		"XAD XCD XCG YER ZAR ZMW ZWG " +
		"ANG BGN CUC HRK SLL ZWL"
	currencies3 = "BHD IQD JOD KWD LYD OMR TND"
	currencies4 = "CLF UYW"
)

// Exponent returns the number of decimals of an ISO 4217 currency (2 for USD, 0 for JPY); ok is false for a code that
// is none.
func Exponent(code string) (decimals int, ok bool) {
	if len(code) != 3 {
		return 0, false
	}
	for decimals, codes := range [...]string{0: currencies0, 2: currencies2, 3: currencies3, 4: currencies4} {
		if strings.Contains(" "+codes+" ", " "+code+" ") {
			return decimals, true
		}
	}
	return 0, false
}

// currencyHint suggests the code that was meant. Codes are too short for a general measure: case and one letter count.
func currencyHint(code string) string {
	upper := strings.ToUpper(strings.TrimSpace(code))
	if _, ok := Exponent(upper); ok {
		return "did you mean \"" + upper + "\"?"
	}
	if symbol := map[string]string{"$": "USD", "€": "EUR", "£": "GBP", "¥": "JPY", "EURO": "EUR", "DOLLAR": "USD"}[upper]; symbol != "" {
		return "did you mean \"" + symbol + "\"?"
	}
	// A name that begins with the code, and one letter wrong. The most traded come first, so that they win over rare ones that are as near.
	return didYouMean(upper, strings.Fields("USD EUR JPY GBP CNY AUD CAD CHF HKD SGD SEK KRW NOK NZD INR MXN TWD ZAR BRL DKK PLN "+
		currencies0+" "+currencies2+" "+currencies3+" "+currencies4))
}

// pow10 returns 10 to the n, which may be negative.
func pow10(n int) *big.Rat {
	p := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(max(n, -n))), nil)
	if n < 0 {
		return new(big.Rat).SetFrac(big.NewInt(1), p)
	}
	return new(big.Rat).SetInt(p)
}
