package main

import (
	"encoding/json"
	"fmt"

	"github.com/accrue-loyalty/accrue/internal/intake"
)

// rejectsFile collects what could not be read. A nil one collects nothing.
type rejectsFile struct {
	file  *fileOut
	lines *json.Encoder
	n     int64
}

// openRejects begins a file of rejects, or returns nil when path is empty.
func openRejects(path string) (*rejectsFile, error) {
	if path == "" {
		return nil, nil
	}
	f, err := createFile(path)
	if err != nil {
		return nil, fmt.Errorf("--rejects: %w", err)
	}
	lines := json.NewEncoder(f)
	lines.SetEscapeHTML(false)
	return &rejectsFile{file: f, lines: lines}, nil
}

func (r *rejectsFile) add(reject *intake.Reject) error {
	if r == nil {
		return nil
	}
	r.n++
	if err := r.lines.Encode(reject); err != nil {
		return fmt.Errorf("writing %s: %w", r.file.path, err)
	}
	return nil
}

func (r *rejectsFile) count() int64 {
	if r == nil {
		return 0
	}
	return r.n
}

// commit ends the file and gives it its name.
func (r *rejectsFile) commit() error {
	if r == nil {
		return nil
	}
	return r.file.commit()
}

// close removes the file, unless it was committed.
func (r *rejectsFile) close() {
	if r != nil {
		r.file.abandon()
	}
}
