//go:build !race

package lanes_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/accrue-loyalty/accrue/internal/kafkatest"
)

func TestMain(m *testing.M) { os.Exit(runAll(m)) }

func runAll(m *testing.M) int {
	defer func() {
		if built.dir != "" {
			_ = os.RemoveAll(built.dir)
		}
	}()
	return kafkatest.Run(m)
}

// built is the binary under test, built on first use.
var built struct {
	once sync.Once
	dir  string
	err  error
}

// binary returns the path of the accrue binary.
func binary(t *testing.T) string {
	t.Helper()
	built.once.Do(build)
	if built.err != nil {
		t.Fatal(built.err)
	}
	return filepath.Join(built.dir, "accrue")
}

// build outlives the test that comes first.
func build() {
	if built.dir, built.err = os.MkdirTemp("", "accrue-lanes-"); built.err != nil {
		return
	}
	out, err := exec.Command("go", "build", "-o", filepath.Join(built.dir, "accrue"), "../../cmd/accrue").CombinedOutput()
	if err != nil {
		built.err = fmt.Errorf("building accrue: %w\n%s", err, out)
	}
}

// system is accrue's topics on the broker, under a prefix of their own.
type system struct {
	t       *testing.T
	brokers string
	prefix  string
	// registry is the schema registry's URL, or "".
	registry string
}

func newSystem(t *testing.T, registry string) *system {
	return &system{t: t, brokers: kafkatest.Broker(t), prefix: kafkatest.Prefix(t), registry: registry}
}

// environ tells the binary where Kafka and the registry are.
func (s *system) environ() []string {
	env := append(os.Environ(), "ACCRUE_BROKERS="+s.brokers, "ACCRUE_PREFIX="+s.prefix)
	if s.registry != "" {
		env = append(env, "ACCRUE_REGISTRY="+s.registry)
	}
	return env
}

// try runs a command of accrue to its end.
func (s *system) try(args ...string) (stdout []byte, stderr string, err error) {
	var out, text bytes.Buffer
	cmd := exec.CommandContext(s.t.Context(), binary(s.t), args...)
	cmd.Env, cmd.Stdout, cmd.Stderr = s.environ(), &out, &text
	err = cmd.Run()
	return out.Bytes(), text.String(), err
}

// must runs a command of accrue that has to succeed, and returns its output.
func (s *system) must(args ...string) []byte {
	s.t.Helper()
	began := time.Now()
	out, text, err := s.try(args...)
	if err != nil {
		s.t.Fatalf("accrue %s: %v\n%s%s", strings.Join(args, " "), err, text, out)
	}
	s.t.Logf("%5.1f s  accrue %s", time.Since(began).Seconds(), strings.Join(args, " "))
	return out
}

// mustJSON does the same and reads the output.
func (s *system) mustJSON(answer any, args ...string) {
	s.t.Helper()
	if out := s.must(append(args, "--output", "json")...); json.Unmarshal(out, answer) != nil {
		s.t.Fatalf("accrue %s printed no JSON of the kind that was expected: %s", strings.Join(args, " "), out)
	}
}

// instance is a running `accrue run`.
type instance struct {
	t    *testing.T
	cmd  *exec.Cmd
	url  string
	http *http.Client
	log  *os.File
	done chan error
}

// startMax is how long an instance may take until it answers for all its partitions.
const startMax = time.Minute

// start runs an instance with an empty folder, whose clock only others move. It ends with the test, or by stop.
func (s *system) start() *instance {
	t := s.t
	t.Helper()
	log, err := os.Create(filepath.Join(t.TempDir(), "instance.log"))
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(binary(t), "run", "--dir", filepath.Join(t.TempDir(), "state"), "--listen", "127.0.0.1:0", "--tick", "0")
	cmd.Env, cmd.Stdout, cmd.Stderr = s.environ(), log, log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	i := &instance{t: t, cmd: cmd, log: log, done: make(chan error, 1), http: &http.Client{
		Timeout: time.Minute, Transport: &http.Transport{MaxIdleConnsPerHost: readers}}}
	go func() { i.done <- cmd.Wait() }()
	t.Cleanup(i.stop)
	i.await()
	return i
}

// await returns when the instance is ready, and fails the test with its log when it does not become so.
func (i *instance) await() {
	i.t.Helper()
	for deadline := time.Now().Add(startMax); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		select {
		case err := <-i.done:
			i.done = nil
			i.t.Fatalf("accrue run ended: %v\n%s", err, i.tail())
		default:
		}
		if i.url == "" {
			i.url = i.address()
			continue
		}
		// An instance is ready when it answers for what it owns; these tests want it to own everything.
		var ready struct {
			Ready      bool
			Unassigned int
		}
		if resp, err := i.http.Get(i.url + "/readyz"); err == nil {
			err = json.NewDecoder(resp.Body).Decode(&ready)
			_ = resp.Body.Close()
			if err == nil && ready.Ready && ready.Unassigned == 0 {
				return
			}
		}
	}
	i.t.Fatalf("accrue run was not ready after %v:\n%s", startMax, i.tail())
}

// address finds the API's address in the log.
func (i *instance) address() string {
	text, _ := os.ReadFile(i.log.Name())
	for lines := bufio.NewScanner(bytes.NewReader(text)); lines.Scan(); {
		var line struct{ API string }
		if json.Unmarshal(lines.Bytes(), &line) == nil && line.API != "" {
			return line.API
		}
	}
	return ""
}

const tailBytes = 4000

func (i *instance) tail() []byte {
	text, _ := os.ReadFile(i.log.Name())
	return text[max(0, len(text)-tailBytes):]
}

// stop asks the instance to end, as an operator would, and waits until it has.
func (i *instance) stop() {
	if i.done == nil {
		return
	}
	_ = i.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case err := <-i.done:
		if err != nil {
			i.t.Errorf("accrue run ended with %v:\n%s", err, i.tail())
		}
	case <-time.After(startMax):
		_ = i.cmd.Process.Kill()
		i.t.Errorf("accrue run did not end by SIGTERM:\n%s", i.tail())
		<-i.done
	}
	i.done = nil
	_ = i.log.Close()
}

// balance is what the API tells of a customer, or `accrue simulate` prints, without what passes with time.
type balance struct {
	Customer   string           `json:"customer"`
	Active     int64            `json:"active"`
	ExpiredDue int64            `json:"expired_due"`
	Pending    int64            `json:"pending"`
	Reserved   int64            `json:"reserved"`
	Deficit    int64            `json:"deficit"`
	Tier       string           `json:"tier"`
	Qualifying int64            `json:"qualifying_minor"`
	Totals     map[string]int64 `json:"totals"`
}

// readers is how many balances are asked for at once.
const readers = 8

// balances asks for the balances of customers. Points whose time has passed by today, but for which no tick has come,
// count as active, as they do for whoever looks at the end of the history.
func (i *instance) balances(customers []string) []balance {
	i.t.Helper()
	all := make([]balance, len(customers))
	errs := make([]error, readers)
	var wait sync.WaitGroup
	for r := range readers {
		wait.Go(func() {
			for n := r; n < len(customers) && errs[r] == nil; n += readers {
				all[n], errs[r] = i.balance(customers[n])
			}
		})
	}
	wait.Wait()
	if err := errors.Join(errs...); err != nil {
		i.t.Fatal(err)
	}
	return all
}

func (i *instance) balance(customer string) (b balance, err error) {
	resp, err := i.http.Get(i.url + "/v1/customers/" + url.PathEscape(customer) + "/balance")
	if err != nil {
		return b, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return b, err
	}
	if resp.StatusCode != http.StatusOK {
		return b, fmt.Errorf("balance of %s: %s: %s", customer, resp.Status, body)
	}
	err = json.Unmarshal(body, &b)
	b.Active, b.ExpiredDue = b.Active+b.ExpiredDue, 0
	return b, err
}

// skip says loudly why a test does not run, or fails it where the environment requires it.
func skip(t *testing.T, require, format string, args ...any) {
	t.Helper()
	message := "NOT RUN: " + fmt.Sprintf(format, args...)
	if os.Getenv(require) == "1" {
		t.Fatalf("%s (%s=1)", message, require)
	}
	t.Skip(message)
}
