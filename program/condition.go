package program

import (
	"github.com/accrue-loyalty/accrue/events"
	"github.com/accrue-loyalty/accrue/loyalty"
)

func (b *builder) condition(v *value, on events.Type) loyalty.Condition {
	b.problem(v, "", "conditions are being written")
	return nil
}

func (b *builder) lineCondition(v *value, on events.Type) loyalty.LineCondition {
	b.problem(v, "", "conditions are being written")
	return nil
}

func (b *builder) amount(v *value, on events.Type) loyalty.Amount {
	b.problem(v, "", "expressions are being written")
	return nil
}
