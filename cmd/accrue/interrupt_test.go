package main_test

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"io"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	main "github.com/accrue-loyalty/accrue/cmd/accrue"
)

// asProcess makes the test's binary accrue itself: signals are for whole processes.
const asProcess = "ACCRUE_TEST_AS_PROCESS"

func TestMain(m *testing.M) {
	if os.Getenv(asProcess) != "" {
		os.Exit(main.Process())
	}
	// Many tests wait most of the time. Whoever says -parallel is heard.
	if err := flag.Set("test.parallel", "4"); err != nil {
		panic(err)
	}
	os.Exit(m.Run())
}

// start starts accrue as a process of its own, which ends with the test.
func start(t *testing.T, stdout io.Writer, args ...string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), self, args...)
	cmd.Env = append(os.Environ(), asProcess+"=1")
	cmd.Stdout = stdout
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return cmd
}

func TestACommandThatWaitsForItsInputEndsWhenItIsInterrupted(t *testing.T) {
	t.Parallel() // it mostly waits
	program := write(t, "program.yaml", plainProgram)
	folder := t.TempDir()
	fifo := filepath.Join(folder, "fifo")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, args := range map[string][]string{
		"simulate from standard input":  {"simulate", "--program", program, "--events", "-", "--rejects", filepath.Join(folder, "rejects.jsonl")},
		"import from standard input":    {"import", "-", "--dry-run"},
		"calculate from standard input": {"calculate", "ann", "--cart", "-"},
		"validate a pipe nobody writes": {"program", "validate", fifo},
		"the same with errors as JSON":  {"program", "validate", fifo, "--output", "json"},
	} {
		t.Run(name, func(t *testing.T) {
			in, never := io.Pipe()
			defer never.Close()
			errs := &lockedBuffer{}
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			time.AfterFunc(50*time.Millisecond, cancel)
			began := time.Now()
			m := &main.Main{Stdin: in, Stdout: io.Discard, Stderr: errs}
			code := m.Run(ctx, args)
			outcome{code: code, stderr: errs.String()}.want(t, 3, "interrupted before it was done")
			if took := time.Since(began); took > 10*time.Second {
				t.Errorf("it took %s", took)
			}
		})
	}
	if left, _ := filepath.Glob(filepath.Join(folder, ".*")); len(left) > 0 {
		t.Errorf("unfinished files are left behind: %v", left)
	}
	// The commands that were left behind can end now.
	if f, err := os.OpenFile(fifo, os.O_WRONLY|syscall.O_NONBLOCK, 0); err == nil {
		f.Close()
	}
}

// TestASecondSignalEndsAtOnce has a request that is on its way, which an orderly end waits for.
func TestASecondSignalEndsAtOnce(t *testing.T) {
	t.Parallel() // it mostly waits
	said, out := io.Pipe()
	cmd := start(t, out, "dev", "--dir", t.TempDir(), "--port", "0", "--registry-port", "0", "--listen", "127.0.0.1:0", "--tick", "0")
	api := ""
	for lines := bufio.NewScanner(said); api == "" && lines.Scan(); {
		_, api, _ = strings.Cut(lines.Text(), "API       http://")
	}
	go func() { _, _ = io.Copy(io.Discard, said) }()
	conn, err := net.Dial("tcp", api)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, "POST /v1/events HTTP/1.1\r\nHost: accrue\r\nExpect: 100-continue\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	if _, err := bufio.NewReader(conn).ReadString('\n'); err != nil { // the server asks for the body: it is answering
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	send := func(s os.Signal) {
		if err := cmd.Process.Signal(s); err != nil {
			t.Fatal(err)
		}
	}
	if signal.Ignored(syscall.SIGHUP) {
		send(syscall.SIGTERM)
	} else {
		send(syscall.SIGHUP) // its terminal is closed
	}
	select {
	case err := <-ended:
		t.Fatalf("the first signal ended it at once: %v", err)
	case <-time.After(2 * time.Second):
	}
	send(syscall.SIGINT)
	select {
	case err := <-ended:
		var exit *exec.ExitError
		if !errors.As(err, &exit) || !exit.Sys().(syscall.WaitStatus).Signaled() {
			t.Errorf("it ended with %v, want by the signal", err)
		}
	case <-time.After(3 * time.Second):
		t.Error("it went on for 3 seconds after the second signal")
	}
}
