package api

import (
	"context"

	"github.com/accrue-loyalty/accrue/events"
	"github.com/accrue-loyalty/accrue/loyalty"
)

// Tier is the answer to GET …/tier.
type Tier struct {
	Customer         string         `json:"customer"`
	Tier             string         `json:"tier" doc:"Empty in a program without tiers"`
	Multiplier       string         `json:"multiplier,omitempty" doc:"What earning is multiplied by, as a decimal or a fraction"`
	Benefits         []string       `json:"benefits" nullable:"false"`
	Metric           string         `json:"metric,omitempty" enum:"spend,points" doc:"What thresholds count; absent in a program without tiers"`
	Currency         string         `json:"currency,omitempty" doc:"The currency of the thresholds, where they count spend"`
	QualifyingMinor  int64          `json:"qualifying_minor"`
	QualifyingPoints *events.Points `json:"qualifying_points,omitempty" doc:"Where tiers count points"`
	Next             *NextTier      `json:"next,omitempty" doc:"Absent at the top"`
	GraceUntil       events.Instant `json:"grace_until,omitzero" doc:"Set when the tier must be earned again by then"`
	Levels           []TierLevel    `json:"levels" nullable:"false"`
	MergedInto       string         `json:"merged_into,omitempty" doc:"The customer that took the account over"`
	Position         string         `json:"position"`
	AsOf             events.Instant `json:"as_of"`
}

// NextTier is the level above.
type NextTier struct {
	Name    string `json:"name"`
	From    int64  `json:"from" doc:"Its threshold: minor units, or points, as metric says"`
	Missing int64  `json:"missing" doc:"What is missing to it"`
}

// TierLevel is one level of the program.
type TierLevel struct {
	Name string `json:"name"`
	From int64  `json:"from" doc:"Threshold: minor units, or points, as metric says"`
}

func (s *Server) tier(ctx context.Context, in *CustomerInput) (*answer[Tier], error) {
	r, err := in.find(ctx, s)
	if err != nil {
		return nil, err
	}
	return answerOf(&r, tierOf(&r)), nil
}

func tierOf(r *reader) Tier {
	sum := loyalty.Summarize(r.program, r.account, r.place.Clock)
	t := Tier{
		Customer: r.account.Customer, Tier: sum.Tier, QualifyingMinor: sum.QualifyingMinor,
		QualifyingPoints: sum.QualifyingPoints, GraceUntil: r.account.Grace, Benefits: []string{}, Levels: []TierLevel{},
		MergedInto: r.account.MergedInto, Position: r.at().String(), AsOf: r.asOf,
	}
	if r.program.Tiers == nil {
		return t
	}
	has := sum.QualifyingMinor
	t.Metric, t.Currency = "spend", r.program.Currency
	if sum.QualifyingPoints != nil {
		has = int64(*sum.QualifyingPoints)
		t.Metric, t.Currency = "points", ""
	}
	levels := r.program.Tiers.Levels
	for i := range levels {
		l := &levels[i]
		t.Levels = append(t.Levels, TierLevel{l.Name, l.From})
		if l.Name != sum.Tier {
			continue
		}
		t.Multiplier = decimal(l.Multiplier)
		t.Benefits = append(t.Benefits, l.Benefits...)
		if i+1 < len(levels) {
			next := levels[i+1]
			t.Next = &NextTier{next.Name, next.From, max(next.From-has, 0)}
		}
	}
	return t
}
