package schemas

import (
	"fmt"
	"slices"
)

// list is an array of what item describes. Decoded, an empty one is nil.
func list[T any](x *wire, p *[]T, item func(*wire, *T)) {
	// Most lists are empty.
	if x.encoding {
		if len(*p) == 0 {
			x.buf = append(x.buf, 0)
			return
		}
	} else {
		*p = nil
		if x.pos < len(x.buf) && x.buf[x.pos] == 0 {
			x.pos++
			return
		}
	}
	refill(x, p, item)
}

// refill is a list that is decoded into the memory of the one that is there.
func refill[T any](x *wire, p *[]T, item func(*wire, *T)) {
	if x.encoding {
		putList(x, *p, item)
		return
	}
	if *p = takeList(x, (*p)[:0], item); len(*p) == 0 {
		*p = nil
	}
}

func putList[T any](x *wire, s []T, item func(*wire, *T)) {
	if len(s) > ListItemsMax && x.err == nil {
		x.err = fmt.Errorf("%w: a list of %d items, at most %d are allowed", ErrTooLarge, len(s), ListItemsMax)
		return
	}
	if len(s) > 0 {
		x.putLong(int64(len(s)))
		for i := range s {
			item(x, &s[i])
		}
	}
	x.buf = append(x.buf, 0)
}

// listGrow is how many items are made room for on the word of a block's count; more must really arrive, and then the
// room doubles. So a record's memory stays in proportion to its bytes.
const listGrow = 64

// takeList appends a list's items to s.
func takeList[T any](x *wire, s []T, item func(*wire, *T)) []T {
	for {
		n := int64(x.small())
		if n < 0 {
			if n = x.takeLong(); n < 0 {
				n = -n // and then comes the block's size in bytes, for readers who skip it
				x.takeLong()
			}
		}
		if n == 0 || x.err != nil {
			return s
		}
		if n < 0 || n > int64(len(x.buf)-x.pos) {
			x.fail(CodeBroken, "a list of %d items where %d bytes are left", n, len(x.buf)-x.pos)
			return nil
		}
		if n > int64(ListItemsMax-len(s)) {
			x.fail(CodeTooLarge, "a list of over %d items", ListItemsMax)
			return nil
		}
		for end := len(s) + int(n); len(s) < end; {
			s = slices.Grow(s, min(end-len(s), max(len(s), listGrow)))
			for range min(end-len(s), cap(s)-len(s)) {
				s = s[:len(s)+1] // item sets every field
				item(x, &s[len(s)-1])
				if x.err != nil {
					return nil
				}
			}
		}
	}
}
