package loyalty_test

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"math/big"
	"reflect"
	"slices"
	"testing"

	"github.com/accrue-loyalty/accrue/events"
	"github.com/accrue-loyalty/accrue/loyalty"
)

// oldAccount is what version1 encodes.
func oldAccount() *loyalty.Account {
	a := &loyalty.Account{
		Clock: 1_700_000_000_000, LatestOrder: 1_699_999_000_000, Tier: "Gold", Grace: 1_702_000_000_000, TierSince: 1_690_000_000_000,
		LotLast: 9, Deficit: 7,
		Totals:       loyalty.Totals{Issued: 900, Redeemed: 300, Expired: 2, Revoked: 1, Reinstated: 4, Adjusted: -5, TransferredIn: 6, TransferredOut: 8, Forfeited: 3},
		Counters:     []loyalty.Counter{{Rule: "base", From: 1_690_000_000_000, N: 3}},
		Reservations: []*loyalty.Redemption{{ID: "r1", State: events.StateReserved, LapsesAt: 1_700_000_900_000, Parts: []loyalty.RedemptionPart{{Lot: 2, Points: 5, Order: "o2", EarnedAt: 1_691_000_000_000}}}},
		Profile:      loyalty.Profile{Registered: 1_680_000_000_000, ReferredBy: "bob", Marketing: true},
		MergedInto:   "carl",
	}
	a.AddLot("o1", loyalty.Lot{ID: 1, Active: 120, EarnedAt: 1_690_000_000_000, ActiveAt: 1_690_000_000_000, ExpiresAt: 1_720_000_000_000})
	a.AddLot("o2", loyalty.Lot{ID: 2, Active: 1, Reserved: 5, Redeemed: 300, EarnedAt: 1_691_000_000_000, ActiveAt: 1_692_000_000_000, ExpiresAt: 1_720_000_000_000})
	a.AddLot("a-much-longer-order-id", loyalty.Lot{ID: 5, Pending: 77, EarnedAt: 1_691_000_000_000})
	a.AddLot("", loyalty.Lot{ID: 9, Active: 40, Expired: 2, EarnedAt: 1_695_000_000_000, ActiveAt: 1_695_000_000_000})
	a.Qualify(1_690_000_000_000, loyalty.Exact{}, 120)
	a.Qualify(1_690_500_000_000, loyalty.ExactInt(12_345), 0)
	a.Qualify(1_691_000_000_000, loyalty.ExactRat(big.NewRat(10, 3)), 300)
	a.Qualify(1_699_000_000_000, loyalty.Exact{}, -4)
	return a
}

// version1 is what version 1 of the encoding made of oldAccount. Merges in topics have it.
const version1 = "0180a0abfef9628097b1fdf96204476f6c6480f0d7f188638090ccbdaf62120402026f3100f0010000008090ccbdaf628090ccbdaf6280c0" +
	"e9ff8e6404026f3200020ad8040080b8a2f7b66280e0f8b0be6280c0e9ff8e640a16612d6d7563682d6c6f6e6765722d6f726465722d6964" +
	"9a010000000080b8a2f7b66200001200005000000480d8fbddd46280d8fbddd462000e880ed804040208090c1006048090ccbdaf620100f0" +
	"018094ebdc0301f2c001008094ebdc030314d80480c0b2cd3b010007010462617365008090ccbdaf62060123010272310872657365727665" +
	"6400c08e99fff96201040a00026f3280b8a2f7b6620000008080edfce46103626f620100046361726c00"

func TestAccountsOfVersion1AreRead(t *testing.T) {
	old, err := hex.DecodeString(version1)
	if err != nil {
		t.Fatal(err)
	}
	got, err := loyalty.DecodeAccount(old)
	if err != nil {
		t.Fatal(err)
	}
	encoded := loyalty.AppendAccount(nil, oldAccount())
	want, err := loyalty.DecodeAccount(encoded)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("version 1 was read as\n%+v, version 2 as\n%+v", got, want)
	}
	if again := loyalty.AppendAccount(nil, got); !bytes.Equal(again, encoded) {
		t.Errorf("encoded again: %x, want %x", again, encoded)
	}
	if len(encoded) >= len(old) {
		t.Errorf("version 2 takes %d bytes, version 1 took %d", len(encoded), len(old))
	}
}

func TestMergesOfOtherVersionsAreRecoded(t *testing.T) {
	old, err := hex.DecodeString(version1)
	if err != nil {
		t.Fatal(err)
	}
	present := loyalty.AppendAccount(nil, oldAccount())
	later := append([]byte{present[0] + 1}, present[1:]...)
	merge := func(account []byte) *events.MergeCredited {
		noRecords := []byte{0, 0, 0, 0}
		return &events.MergeCredited{From: "ann", Account: slices.Concat(binary.AppendUvarint(nil, uint64(len(account))), account, noRecords)}
	}
	for _, account := range [][]byte{old, present} {
		if got, err := loyalty.Recoded(merge(account)); err != nil || !reflect.DeepEqual(got, merge(present)) {
			t.Errorf("version %d is recoded as %+v, %v", account[0], got, err)
		}
	}
	if _, err := loyalty.Recoded(merge(later)); !errors.Is(err, loyalty.ErrNewer) || !errors.Is(err, loyalty.ErrEncoding) {
		t.Errorf("a later version: %v", err)
	}
	if _, err := loyalty.Recoded(merge(present[:9])); !errors.Is(err, loyalty.ErrEncoding) || errors.Is(err, loyalty.ErrNewer) {
		t.Errorf("a part of an account: %v", err)
	}
}

func TestAccountsAreReadAsTheyWere(t *testing.T) {
	for _, a := range []*loyalty.Account{loyalty.NewAccount(""), oldAccount()} {
		back, err := loyalty.DecodeAccount(loyalty.AppendAccount(nil, a))
		if err != nil {
			t.Fatal(err)
		}
		if len(back.Lots) != len(a.Lots) || len(a.Lots) > 0 && !reflect.DeepEqual(back.Lots, a.Lots) {
			t.Errorf("lots were read as %+v, want %+v", back.Lots, a.Lots)
		}
		for i := range a.Lots {
			if got, want := back.OrderOf(&back.Lots[i]), a.OrderOf(&a.Lots[i]); got != want {
				t.Errorf("lot %d is of order %q, want %q", a.Lots[i].ID, got, want)
			}
		}
		if len(back.Qualifying) != len(a.Qualifying) || len(a.Qualifying) > 0 && !reflect.DeepEqual(back.Qualifying, a.Qualifying) {
			t.Errorf("what qualifies was read as %+v, want %+v", back.Qualifying, a.Qualifying)
		}
		for i := range a.Qualifying {
			if got, want := back.Spend(&back.Qualifying[i]), a.Spend(&a.Qualifying[i]); got.Cmp(want) != 0 {
				t.Errorf("at %d %v was spent, want %v", a.Qualifying[i].At, got, want)
			}
		}
	}
}

// No bytes make the decoder panic.
func FuzzDecodeAccount(f *testing.F) {
	f.Add(loyalty.AppendAccount(nil, oldAccount()))
	f.Fuzz(func(t *testing.T, b []byte) {
		a, err := loyalty.DecodeAccount(b)
		if err != nil {
			return
		}
		encoded := loyalty.AppendAccount(nil, a)
		again, err := loyalty.DecodeAccount(encoded)
		if err != nil {
			t.Fatal(err)
		}
		if b := loyalty.AppendAccount(nil, again); !bytes.Equal(b, encoded) {
			t.Errorf("encoded %x, then %x", encoded, b)
		}
	})
}

// A number too large for two words is text, which must not ask for memory.
func TestANumberWithAnExponentIsRefused(t *testing.T) {
	a := loyalty.NewAccount("")
	a.Qualify(1, loyalty.ExactRat(new(big.Rat).SetInt(new(big.Int).Lsh(big.NewInt(1), 100))), 0)
	b := loyalty.AppendAccount(nil, a)
	if _, err := loyalty.DecodeAccount(b); err != nil {
		t.Fatal(err)
	}
	number := []byte("1267650600228229401496703205376")
	broken := bytes.Replace(b, number, append([]byte("1e99999999"), number[10:]...), 1)
	if bytes.Equal(broken, b) {
		t.Fatalf("%q has no %q", b, number)
	}
	if _, err := loyalty.DecodeAccount(broken); err == nil {
		t.Error("it was read")
	}
}
