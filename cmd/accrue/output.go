package main

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
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
// device, a pipe) is written to as it is, and so is standard output.
type fileOut struct {
	// Writer gathers what is written, and keeps its first error for commit.
	*bufio.Writer
	// path is what errors call it.
	path string
	// file is what is written, nil for standard output; to is the name that it gets, "" when it has it.
	file *os.File
	to   string
}

// create begins a file, or standard output for - and for no name at all; commit or abandon ends it.
func (r *run) create(path string) (*fileOut, error) {
	if path == "" || path == "-" {
		return &fileOut{Writer: bufio.NewWriterSize(r.Stdout, outBytes), path: "to standard output"}, nil
	}
	return createFile(path)
}

// outBytes is how much is gathered before it is written.
const outBytes = 64 << 10

// createFile begins a file; commit or abandon ends it. One that is there keeps its mode, a new one has what the umask leaves,
// and a link leads to its file.
func createFile(path string) (*fileOut, error) {
	f := &fileOut{path: path}
	info, err := os.Stat(path)
	there := err == nil
	if there && !info.Mode().IsRegular() {
		f.file, err = os.OpenFile(path, os.O_WRONLY, 0)
	} else {
		mode := fs.FileMode(0o666)
		if there {
			mode = info.Mode().Perm()
		}
		f.to = linked(path)
		f.file, err = os.OpenFile(filepath.Join(filepath.Dir(f.to), fmt.Sprintf(".%s.%x", filepath.Base(f.to), rand.Uint64())), os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
		if err == nil && there {
			err = f.file.Chmod(mode) // the umask took from it
		}
	}
	if err != nil {
		f.abandon()
		return nil, fmt.Errorf("writing %s: %w", path, err)
	}
	f.Writer = bufio.NewWriterSize(f.file, outBytes)
	return f, nil
}

// linksMax is how many links may lead to one another, as most systems have it.
const linksMax = 40

// linked returns where a path leads that may be a link, also one to what is not there yet.
func linked(path string) string {
	for range linksMax {
		to, err := os.Readlink(path)
		if err != nil {
			return path
		}
		if dir, err := filepath.EvalSymlinks(filepath.Dir(path)); err == nil && !filepath.IsAbs(to) {
			to = filepath.Join(dir, to)
		}
		path = to
	}
	return path
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

// commit ends the writing and gives the file its name.
func (f *fileOut) commit() error {
	err := f.Flush()
	if f.file != nil {
		err = cmp.Or(err, f.file.Close())
	}
	if err == nil && f.to != "" {
		err = os.Rename(f.file.Name(), f.to)
	}
	if err != nil {
		f.abandon()
		return fmt.Errorf("writing %s: %w", f.path, err)
	}
	return nil
}

// abandon removes the file, unless it was committed.
func (f *fileOut) abandon() {
	if f.file == nil {
		return
	}
	_ = f.file.Close()
	if f.to != "" {
		_ = os.Remove(f.file.Name())
	}
}
