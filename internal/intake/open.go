package intake

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"os"
)

// Open opens a file for reading, "-" meaning stdin, and unpacks it when it is gzip, whatever its name.
func Open(path string, stdin io.Reader) (io.ReadCloser, error) {
	if path == "-" {
		return unpack("standard input", io.NopCloser(stdin))
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	return unpack(path, f)
}

// opened reads a file, unpacked where it is gzip, which itself has nothing to close.
type opened struct {
	io.Reader
	io.Closer
}

// Read implements [io.Reader].
func (o opened) Read(p []byte) (int, error) {
	n, err := o.Reader.Read(p)
	return n, cutOff(err)
}

// cutOff words the error of gzip that ends in the middle.
func cutOff(err error) error {
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("what is packed ends too early (%w): copy the file again", err)
	}
	return err
}

func unpack(name string, f io.ReadCloser) (io.ReadCloser, error) {
	b := bufio.NewReaderSize(f, 64<<10)
	magic, err := b.Peek(2)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, errors.Join(fmt.Errorf("reading %s: %w", name, err), f.Close())
	}
	if len(magic) < 2 || magic[0] != 0x1f || magic[1] != 0x8b {
		return opened{b, f}, nil
	}
	z, err := gzip.NewReader(b)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("unpacking %s: %w", name, cutOff(err)), f.Close())
	}
	return opened{z, f}, nil
}

// ErrUTF16 means that a file is what spreadsheets save as "Unicode text".
var ErrUTF16 = errors.New("is UTF-16, which is not read: convert it, as by iconv -f UTF-16 -t UTF-8, or save it as UTF-8")

// convert says what to do with text in another encoding.
const convert = ": convert the file if all of it is so, as by iconv -f WINDOWS-1252 -t UTF-8"

// skipMark skips the byte order mark that some editors and spreadsheets write before UTF-8, and refuses UTF-16: by its
// mark, or by the zero that half the bytes of plain letters are.
func skipMark(b *bufio.Reader) error {
	if two, err := b.Peek(2); err == nil && (string(two) == "\xff\xfe" || string(two) == "\xfe\xff" || bytes.IndexByte(two, 0) >= 0) {
		return ErrUTF16
	}
	if mark, err := b.Peek(3); err == nil && string(mark) == "\ufeff" {
		_, _ = b.Discard(3) // cannot fail after Peek
	}
	return nil
}
