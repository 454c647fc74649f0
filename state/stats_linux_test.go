package state_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
)

func TestTheDiskHoldsWhatTheFiguresSay(t *testing.T) {
	cfg := smallConfig(vfs.Default)
	cfg.Dir, cfg.MemTableBytes = t.TempDir(), 32<<20
	p := openPartition(t, openStore(t, cfg), 0)
	e := newEngine(t, p, parseProgram(t), 1, 50)
	e.run(2000)
	e.commit()
	if err := p.Flush(); err != nil {
		t.Fatal(err)
	}
	// Blocks that are begun, and files that are none of the database's.
	const besides = 128 << 10
	var size, taken, told int64
	for range 100 {
		size, taken = onDisk(t, cfg.Dir)
		if told = int64(p.Stats().DiskBytes); told <= size+besides {
			break
		}
		time.Sleep(20 * time.Millisecond) // the log is written behind the flush
	}
	if told < size-besides || told > size+besides {
		t.Errorf("the figure is %d bytes, and the files have %d", told, size)
	}
	if taken > size+besides {
		t.Errorf("files of %d bytes take %d of the disk", size, taken)
	}
}

// onDisk returns how long a folder's files are, and what they take of the disk.
func onDisk(t *testing.T, dir string) (size, taken int64) {
	t.Helper()
	err := fs.WalkDir(os.DirFS(dir), ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		var st syscall.Stat_t
		if err := syscall.Stat(filepath.Join(dir, path), &st); err != nil {
			return err
		}
		size += st.Size
		taken += st.Blocks * 512
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return size, taken
}
