package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// named is a file as the command line names it.
type named struct {
	by   string // a flag, or an argument's name in the help
	path string
}

// keepApart refuses files that are written although they are read, or written twice: what one of them holds would be
// gone without a word.
func (r *run) keepApart(read, written []named) error {
	for i, w := range written {
		if w.path == "" || w.path == "-" {
			continue
		}
		for _, f := range read {
			if r.isInput(f, w) {
				return wrongUsage(fmt.Errorf("%s %s is what %s %s reads, and would be lost: write to another file", w.by, w.path, f.by, f.path))
			}
		}
		for _, other := range written[:i] {
			if sameFile(other.path, w.path) {
				return wrongUsage(fmt.Errorf("%s %s and %s %s are one file: write to two", other.by, other.path, w.by, w.path))
			}
		}
	}
	return nil
}

func (r *run) isInput(f, w named) bool {
	if f.path != "-" {
		return sameFile(f.path, w.path)
	}
	// The shell may have opened the file for us.
	stdin, ok := r.Main.Stdin.(*os.File)
	if !ok {
		return false
	}
	in, err := stdin.Stat()
	if err != nil {
		return false
	}
	out, err := os.Stat(w.path)
	return err == nil && os.SameFile(in, out) && in.Mode().IsRegular()
}

// sameFile reports whether two paths lead to one regular file, or would once it is there. Devices such as /dev/null may
// well be named twice.
func sameFile(a, b string) bool {
	if a == "" || b == "" {
		return false
	}
	x, xErr := os.Stat(a)
	y, yErr := os.Stat(b)
	if xErr == nil && yErr == nil {
		return os.SameFile(x, y) && x.Mode().IsRegular()
	}
	if !errors.Is(xErr, fs.ErrNotExist) || !errors.Is(yErr, fs.ErrNotExist) || filepath.Base(a) != filepath.Base(b) {
		return false
	}
	x, xErr = os.Stat(filepath.Dir(a))
	y, yErr = os.Stat(filepath.Dir(b))
	return xErr == nil && yErr == nil && os.SameFile(x, y)
}
