package schemas_test

import (
	"bytes"
	"fmt"
	"reflect"
	"testing"

	hamba "github.com/hamba/avro/v2"
	twmb "github.com/twmb/avro"

	"github.com/accrue-loyalty/accrue/events"
	"github.com/accrue-loyalty/accrue/internal/racetest"
	"github.com/accrue-loyalty/accrue/schemas"
)

// plainArrays makes hamba write an array as one block without its size, as everybody else does; bigBlocks is its default.
var (
	plainArrays = hamba.Config{DisableBlockSizeHeader: true, BlockLength: 1 << 20, MaxByteSliceSize: -1}.Freeze()
	bigBlocks   = hamba.Config{MaxByteSliceSize: -1}.Freeze()
)

// subject is one record of ours with what the test needs to move it around.
type subject struct {
	name   string
	value  any // a pointer to a struct of package events
	schema hamba.Schema
	text   string
}

func randomSubject(name string, seed uint64) subject {
	r := newRandom(seed)
	s := subject{name: name, text: schemas.Text(name)}
	s.schema = parse(s.text)
	switch name {
	case schemas.NameDecision:
		s.value = r.decision()
	case schemas.NameProgramPublished:
		s.value = r.program()
	default:
		s.value = r.event(events.Type(name))
	}
	return s
}

func (s subject) native(tagged bool) any {
	return native(s.schema, reflect.ValueOf(s.value).Elem(), tagged)
}

func (s subject) encode(c *schemas.Codec) ([]byte, error) {
	switch v := s.value.(type) {
	case *events.Decision:
		return c.AppendDecision(nil, v)
	case *events.ProgramPublished:
		return c.AppendProgram(nil, v)
	default:
		return c.AppendEvent(nil, v.(events.Event))
	}
}

func decode(c *schemas.Codec, name string, value []byte) (any, error) {
	switch name {
	case schemas.NameDecision:
		d := new(events.Decision)
		return d, c.DecodeDecision(value, d)
	case schemas.NameProgramPublished:
		p := new(events.ProgramPublished)
		return p, c.DecodeProgram(value, p)
	default:
		return c.DecodeEvent(value)
	}
}

// agree checks that three implementations write the same bytes for the same value, and each reads the others'.
func agree(c *schemas.Codec, s subject) error {
	ours, err := s.encode(c)
	if err != nil {
		return err
	}
	theirs := twmb.MustParse(s.text)
	want, err := theirs.AppendSingleObject(nil, s.native(false))
	if err != nil {
		return fmt.Errorf("twmb cannot write it: %w", err)
	}
	if !bytes.Equal(ours, want) {
		return fmt.Errorf("we write\n% x\ntwmb writes\n% x", ours, want)
	}
	prefix, body := ours[:10], ours[10:]
	hambas, err := plainArrays.Marshal(s.schema, s.native(true))
	if err != nil {
		return fmt.Errorf("hamba cannot write it: %w", err)
	}
	if !bytes.Equal(body, hambas) {
		return fmt.Errorf("we write\n% x\nhamba writes\n% x", body, hambas)
	}
	blocks, err := bigBlocks.Marshal(s.schema, s.native(true))
	if err != nil {
		return err
	}
	for _, value := range [][]byte{ours, append(bytes.Clone(prefix), blocks...)} {
		got, err := decode(c, s.name, value)
		if err != nil {
			return err
		}
		if !reflect.DeepEqual(got, s.value) {
			return fmt.Errorf("we read\n%+v\nof\n%+v", got, s.value)
		}
	}
	expected := normal(s.schema, s.native(false))
	var byTwmb any
	if _, err := theirs.DecodeSingleObject(ours, &byTwmb); err != nil {
		return fmt.Errorf("twmb cannot read ours: %w", err)
	}
	if got := normal(s.schema, byTwmb); !reflect.DeepEqual(got, expected) {
		return fmt.Errorf("twmb reads\n%v\nof\n%v", got, expected)
	}
	var byHamba any
	if err := plainArrays.Unmarshal(s.schema, body, &byHamba); err != nil {
		return fmt.Errorf("hamba cannot read ours: %w", err)
	}
	if got := normal(s.schema, byHamba); !reflect.DeepEqual(got, expected) {
		return fmt.Errorf("hamba reads\n%v\nof\n%v", got, expected)
	}
	return nil
}

func TestThreeImplementationsAgree(t *testing.T) {
	c := schemas.NewCodec()
	for _, name := range schemas.Names() {
		t.Run(name, func(t *testing.T) {
			for seed := range racetest.Of[uint64](30, 8) {
				if err := agree(c, randomSubject(name, seed)); err != nil {
					t.Fatalf("seed %d: %v", seed, err)
				}
			}
		})
	}
}

func FuzzThreeImplementationsAgree(f *testing.F) {
	c := schemas.NewCodec()
	names := schemas.Names()
	for i := range names {
		f.Add(uint64(i), uint8(i))
	}
	f.Fuzz(func(t *testing.T, seed uint64, which uint8) {
		if err := agree(c, randomSubject(names[int(which)%len(names)], seed)); err != nil {
			t.Fatal(err)
		}
	})
}
