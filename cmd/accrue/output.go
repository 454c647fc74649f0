package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"sync"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"

	"github.com/accrue-loyalty/accrue/api"
)

// outlet is standard output, and keeps the first error of writing to it: what prints for people need not ask after each
// line whether it was taken, because [Main.execute] asks once, when the command is done.
type outlet struct {
	to  io.Writer
	mu  sync.Mutex
	err error
}

// Write implements [io.Writer].
func (o *outlet) Write(p []byte) (int, error) {
	n, err := o.to.Write(p)
	if err != nil {
		o.mu.Lock()
		defer o.mu.Unlock()
		if o.err == nil {
			o.err = err
		}
	}
	return n, err
}

// outcome returns what a command's end means that returned err: what it answered was not told if its output was lost.
func (o *outlet) outcome(err error) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	var f *failure
	told := err == nil || errors.As(err, &f) && f.silent || errors.Is(err, o.err)
	if o.err == nil || !told {
		return err
	}
	return fmt.Errorf("writing to standard output: %w", o.err)
}

// printJSON prints v as one indented JSON document.
func (r *run) printJSON(v any) error {
	b, err := jsonOf(v, "  ")
	if err != nil {
		return fmt.Errorf("writing JSON: %w", err)
	}
	_, err = r.Stdout.Write(b)
	return err
}

// jsonOf returns v as a line of JSON, or, with an indent, several. It stands in no web page, so that <, > and & are
// themselves.
func jsonOf(v any, indent string) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", indent)
	err := enc.Encode(v)
	return b.Bytes(), err
}

// printUp prints where a command that stays up can be reached, as one line, which a script can read while it runs.
func (r *run) printUp(a Addresses, dir string) error {
	b, err := jsonOf(up{versionOf(), a, dir}, "")
	if err != nil {
		return fmt.Errorf("writing JSON: %w", err)
	}
	_, err = r.Stdout.Write(b)
	return err
}

// textf is [fmt.Sprintf] for people: what a terminal would act on in strings that args hold is escaped.
func textf(format string, args ...any) string {
	for i := range args {
		args[i] = visible(args[i])
	}
	return fmt.Sprintf(format, args...)
}

func visible(v any) any {
	if s := reflect.ValueOf(v); s.Kind() == reflect.String {
		return api.Visible(s.String())
	}
	return v
}

// column is one column of a table: its title, and whether it holds numbers.
type column struct {
	title  string
	number bool
}

// printTable prints rows under columns.
func printTable(w io.Writer, columns []column, rows [][]any) {
	t := table.NewWriter()
	t.SetOutputMirror(w)
	style := table.StyleLight
	style.Options = table.OptionsNoBordersAndSeparators
	style.Format.Header = text.FormatDefault
	t.SetStyle(style)
	header := make(table.Row, len(columns))
	configs := make([]table.ColumnConfig, len(columns))
	for i, c := range columns {
		header[i] = c.title
		configs[i] = table.ColumnConfig{Number: i + 1}
		if c.number {
			configs[i].Align = text.AlignRight
			configs[i].AlignHeader = text.AlignRight
		}
	}
	t.AppendHeader(header)
	t.SetColumnConfigs(configs)
	for _, row := range rows {
		cells := make(table.Row, len(row))
		for i := range row {
			cells[i] = visible(row[i])
		}
		t.AppendRow(cells)
	}
	t.Render()
}

// fileOut is a file that appears under its name only when it is whole. What is there already and is no regular file (a
// device, a pipe) is written to as it is.
type fileOut struct {
	*os.File
	path   string
	direct bool
}

// createFile begins a file; commit or abandon ends it.
func createFile(path string) (*fileOut, error) {
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() {
		f, err := os.OpenFile(path, os.O_WRONLY, 0)
		if err != nil {
			return nil, fmt.Errorf("writing %s: %w", path, err)
		}
		return &fileOut{f, path, true}, nil
	}
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return nil, fmt.Errorf("writing %s: %w", path, err)
	}
	return &fileOut{f, path, false}, nil
}

// mayCreate reports why createFile would not begin a file, as far as can be known without touching what is there: a pipe's
// reader would take closing it for the end.
func mayCreate(path string) error {
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() && !info.IsDir() {
		return nil
	}
	f, err := createFile(path)
	if err == nil {
		f.abandon()
	}
	return err
}

// commit gives the file its name.
func (f *fileOut) commit() error {
	if f.direct {
		return f.Close()
	}
	// CreateTemp makes files for the owner alone; what a command was asked to write is like any other file.
	err := f.Chmod(0o644)
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = os.Rename(f.Name(), f.path)
	}
	if err != nil {
		_ = os.Remove(f.Name())
		return fmt.Errorf("writing %s: %w", f.path, err)
	}
	return nil
}

// abandon removes the file, unless it was committed.
func (f *fileOut) abandon() {
	_ = f.Close()
	if !f.direct {
		_ = os.Remove(f.Name())
	}
}
