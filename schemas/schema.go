package schemas

import (
	"embed"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/hamba/avro/v2"

	"github.com/accrue-loyalty/accrue/events"
)

// Namespace is the Avro namespace of every record.
const Namespace = "accrue"

// The records that are no events.
const (
	NameDecision         = "Decision"
	NameProgramPublished = "ProgramPublished"
)

//go:embed *.avsc released
var files embed.FS

// Names lists every record's name, without the namespace: the event types in their own order, then the others.
func Names() []string {
	names := make([]string, 0, 40)
	for _, t := range events.Types() {
		names = append(names, string(t))
	}
	return append(names, NameProgramPublished, NameDecision)
}

// Text returns the Avro schema of the record called name, as JSON, or "" when there is none.
func Text(name string) string {
	b, err := files.ReadFile(name + ".avsc")
	if err != nil {
		return ""
	}
	return string(b)
}

// releasedTexts returns every released schema, oldest release first.
func releasedTexts() []string {
	var texts []string
	dirs, err := files.ReadDir("released")
	if err != nil {
		panic(fmt.Sprintf("schemas: %v", err))
	}
	slices.SortFunc(dirs, func(a, b fs.DirEntry) int { return releaseNumber(a.Name()) - releaseNumber(b.Name()) })
	for _, d := range dirs {
		all, err := fs.Glob(files, path.Join("released", d.Name(), "*.avsc"))
		if err != nil {
			panic(fmt.Sprintf("schemas: %v", err))
		}
		for _, f := range all {
			b, err := files.ReadFile(f)
			if err != nil {
				panic(fmt.Sprintf("schemas: %v", err))
			}
			texts = append(texts, string(b))
		}
	}
	return texts
}

func releaseNumber(dir string) int {
	n := 0
	if _, err := fmt.Sscanf(dir, "v%d", &n); err != nil {
		panic(fmt.Sprintf("schemas: released/%s is not named v1, v2 …", dir))
	}
	return n
}

// parseRecord reads a schema whose top is a record. Each schema is parsed alone: hamba's default cache would let one
// schema's nested records stand in for another's.
func parseRecord(text string, references ...string) (*avro.RecordSchema, error) {
	cache := &avro.SchemaCache{}
	for _, r := range references {
		if _, err := avro.ParseBytesWithCache([]byte(r), "", cache); err != nil {
			return nil, fmt.Errorf("parsing a referenced schema: %w", err)
		}
	}
	s, err := avro.ParseBytesWithCache([]byte(text), "", cache)
	if err != nil {
		return nil, fmt.Errorf("parsing the schema: %w", err)
	}
	rec, ok := s.(*avro.RecordSchema)
	if !ok {
		return nil, fmt.Errorf("the schema is a %s: expected a record", s.Type())
	}
	return rec, nil
}

// mustParse reads a schema that is part of the binary.
func mustParse(text string) *avro.RecordSchema {
	rec, err := parseRecord(text)
	if err != nil {
		panic(fmt.Sprintf("schemas: %v", err))
	}
	return rec
}

// localName cuts our namespace off a record's full name.
func localName(full string) (string, bool) { return strings.CutPrefix(full, Namespace+".") }
