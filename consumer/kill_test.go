package consumer_test

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/accrue-loyalty/accrue/consumer"
	"github.com/accrue-loyalty/accrue/internal/kafkatest"
	"github.com/accrue-loyalty/accrue/schemas"
	"github.com/accrue-loyalty/accrue/state"
)

// childVariable holds, as JSON, what a copy of this test binary is to run instead of tests: an engine to be killed.
const childVariable = "ACCRUE_TEST_ENGINE"

type child struct {
	Brokers []string
	Prefix  string
	Dir     string
	Name    string
	// TransactionTimeout is the default one where it is 0.
	TransactionTimeout time.Duration
	// Fuse is a file: once it is there, the process removes it in the middle of a commit and sends itself Signal.
	Fuse   string
	Signal syscall.Signal
}

func TestMain(m *testing.M) {
	if text := os.Getenv(childVariable); text != "" {
		var c child
		err := json.Unmarshal([]byte(text), &c)
		if err == nil {
			err = c.run()
		}
		fmt.Fprintln(os.Stderr, "child:", err)
		os.Exit(1)
	}
	// Most tests wait most of the time. Whoever says -parallel is heard.
	if err := flag.Set("test.parallel", "8"); err != nil {
		panic(err)
	}
	os.Exit(kafkatest.Run(m))
}

// run is a whole instance. It ends by being killed.
func (c *child) run() error {
	log := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
	kafka := consumer.DefaultKafkaConfig(c.Brokers...)
	kafka.Prefix, kafka.SessionTimeout = c.Prefix, 6*time.Second
	if c.TransactionTimeout > 0 {
		kafka.TransactionTimeout = c.TransactionTimeout
	}
	client, err := consumer.NewClient(kafka, schemas.NewCodec())
	if err != nil {
		return err
	}
	ctx := context.Background()
	programs, err := client.FollowPrograms(ctx, log)
	if err != nil {
		return err
	}
	stateCfg := state.DefaultConfig(c.Dir)
	stateCfg.NextDue = programs.NextDue
	stateCfg.MemTableBytes = 4 << 20
	store, err := state.Open(stateCfg, log)
	if err != nil {
		return err
	}
	cfg := consumer.DefaultConfig()
	cfg.Client, cfg.Programs, cfg.Store, cfg.Instance, cfg.Log = client, programs, store, c.Name, log
	cfg.Clock.Every = 0
	if c.Fuse != "" {
		cfg.Hook = func(int) kgo.Hook { return &fuse{file: c.Fuse, signal: c.Signal} }
	}
	engine, err := consumer.New(cfg)
	if err != nil {
		return err
	}
	return engine.Run(ctx)
}

// fuse strikes when the broker has taken a transaction's records and offsets, and has not been asked to end it.
type fuse struct {
	file     string
	signal   syscall.Signal
	produced atomic.Bool // since the last transaction ended: some carry offsets alone
}

// OnBrokerRead implements [kgo.HookBrokerRead]. The client gets the answer only when it returns.
func (f *fuse) OnBrokerRead(_ kgo.BrokerMetadata, key int16, _ int, _, _ time.Duration, err error) {
	switch kmsg.Key(key) {
	case kmsg.Produce:
		f.produced.Store(true)
	case kmsg.EndTxn:
		f.produced.Store(false)
	case kmsg.TxnOffsetCommit:
		if err == nil && f.produced.Load() && os.Remove(f.file) == nil {
			_ = syscall.Kill(os.Getpid(), f.signal)
			time.Sleep(time.Second) // the signal may reach another thread first; this one must not end the transaction
		}
	}
}

// spawn starts an instance as a process of its own.
func (w *world) spawn(name, dir string, change ...func(*child)) *exec.Cmd {
	w.t.Helper()
	c := child{Brokers: w.brokers, Prefix: w.prefix, Dir: dir, Name: name}
	for _, fn := range change {
		fn(&c)
	}
	text, err := json.Marshal(c)
	if err != nil {
		w.t.Fatal(err)
	}
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childVariable+"="+string(text))
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		w.t.Fatal(err)
	}
	return cmd
}

// TestRealKillNine kills an instance with -9 at random instants under load and compares the end with a calm run.
func TestRealKillNine(t *testing.T) {
	if testing.Short() {
		t.Skip("takes half a minute")
	}
	kills := consumer.EnvInt("ACCRUE_TEST_KILLS", 30)
	names := customers(200)
	all := shopping(21, 200, 20_000)
	w := newRealWorld(t, 4) // skips without a broker
	want := undisturbed(t, all, names)
	w.publish(plainProgram)
	dir := t.TempDir()
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 1))
	sent := make(chan struct{})
	go func() {
		defer close(sent)
		for n := 0; n < len(all); n += 100 {
			w.send(all[n:min(n+100, len(all))]...)
			time.Sleep(time.Duration(kills) * 10 * time.Millisecond / 2)
		}
	}()
	// Most instants lie in the first second, where a process starts, restores, joins and decides its first batches.
	for range kills {
		p := w.spawn("one", dir)
		time.Sleep(time.Duration(100+r.IntN(1400)) * time.Millisecond)
		if err := p.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		killed(t, p)
	}
	decided := len(w.decisions())
	p := w.spawn("one", dir)
	defer func() { _ = p.Process.Kill(); _ = p.Wait() }()
	<-sent
	w.inLedger()
	_ = p.Process.Kill()
	_ = p.Wait()
	t.Logf("%d of %d events were decided between %d kills", decided, len(all), kills)
	if decided == 0 {
		t.Error("nothing was decided between the kills: the test shows nothing")
	}
	i := w.start("one", dir)
	eventually(t, "the engine runs", func() bool { return running(i, 4) })
	w.audit()
	sameAccounts(t, want, i.accounts(names))
}

// killed waits for the end of a process that was killed. One that had ended by itself, as by a panic, fails the test.
func killed(t *testing.T, p *exec.Cmd) {
	t.Helper()
	if err := p.Wait(); p.ProcessState.ExitCode() != -1 {
		t.Errorf("the process had ended before it was killed: %v", err)
	}
}

// TestRealEngine runs the engine's main ways on the broker that the environment names.
func TestRealEngine(t *testing.T) {
	w := newRealWorld(t, 4)
	w.publish(heldProgram)
	names := customers(50)
	all := history(31, 50, 60)
	one := w.start("one", "")
	w.send(all[:len(all)/3]...)
	w.decided()
	two := w.start("two", "")
	sent := make(chan struct{})
	go func() { defer close(sent); w.sendSlowly(all[len(all)/3 : 2*len(all)/3]) }()
	eventually(t, "the partitions are shared", func() bool { return running(one, 2) && running(two, 2) })
	<-sent
	w.decided()
	w.tick(all[2*len(all)/3].Head().At)
	dir := one.dir
	one.stop()
	w.send(all[2*len(all)/3:]...)
	w.send(all[:100]...) // again
	one = w.start("one", dir)
	w.decided()
	w.tick(all[len(all)-1].Head().At + 60*day)
	two.stop()
	eventually(t, "one instance has all and has worked off the tick", func() bool {
		if !running(one, 4) {
			return false
		}
		for _, s := range one.engine.Status() {
			if s.Clock != all[len(all)-1].Head().At+60*day || s.Sweeping {
				return false
			}
		}
		return true
	})
	w.audit()
	warm := one.accounts(names)
	one.stop()
	cold := w.start("cold", "")
	eventually(t, "the cold start is done", func() bool { return running(cold, 4) })
	sameAccounts(t, warm, cold.accounts(names))
}

// TestRealPausedOwner stops an owner for longer than its session, lets another take over, and wakes it up.
func TestRealPausedOwner(t *testing.T) {
	if testing.Short() {
		t.Skip("takes 7 seconds")
	}
	names := customers(40)
	all := shopping(23, 40, 2_000)
	w := newRealWorld(t, 4)
	want := undisturbed(t, all, names)
	w.publish(plainProgram)
	paused := w.spawn("paused", t.TempDir())
	defer func() { _ = paused.Process.Kill(); _ = paused.Wait() }()
	w.send(all[:500]...)
	w.inLedger()
	sent := make(chan struct{})
	go func() { defer close(sent); w.sendSlowly(all[500:1500]) }()
	time.Sleep(50 * time.Millisecond)
	stop(t, paused.Process)
	i := w.start("two", "")
	<-sent
	w.inLedger()
	wake(t, paused.Process)
	w.send(all[1500:]...)
	w.inLedger()
	_ = paused.Process.Kill()
	killed(t, paused)
	eventually(t, "the second has all", func() bool { return running(i, 4) })
	w.audit()
	sameAccounts(t, want, i.accounts(names))
}

// TestRealGoneInACommit lets an instance vanish between the offsets and the end of a transaction. The broker would end
// the transaction a minute later.
func TestRealGoneInACommit(t *testing.T) {
	if testing.Short() {
		t.Skip("takes 15 seconds")
	}
	const timeout = time.Minute
	names := customers(40)
	all := shopping(29, 40, 1_000)
	for name, signal := range map[string]syscall.Signal{"killed, and not seen again": syscall.SIGKILL, "stopped, and woken up": syscall.SIGSTOP} {
		t.Run(name, func(t *testing.T) {
			w := newRealWorld(t, 4)
			want := undisturbed(t, all, names)
			w.publish(plainProgram)
			fuse := filepath.Join(t.TempDir(), "fuse")
			one := w.spawn("one", t.TempDir(), func(c *child) { c.TransactionTimeout, c.Fuse, c.Signal = timeout, fuse, signal })
			defer func() { _ = one.Process.Kill(); _ = one.Wait() }()
			w.send(all[:300]...)
			w.inLedger()
			two := w.start("two", "")
			eventually(t, "the partitions are shared", func() bool { return running(two, 2) })

			if err := os.WriteFile(fuse, nil, 0o600); err != nil {
				t.Fatal(err)
			}
			w.send(all[300:600]...)
			eventually(t, "the instance is in a commit", func() bool { _, err := os.Stat(fuse); return err != nil })
			began := time.Now()
			if w.openInLedger() == 0 {
				t.Fatal("no transaction is open: the test shows nothing")
			}
			w.inLedger()
			took := time.Since(began)
			t.Logf("everything was decided %.1f s later; the group waits 6 s for a member, the broker %v for a transaction", took.Seconds(), timeout)
			if took > timeout/2 {
				t.Errorf("everything was decided only %v later", took)
			}

			if signal == syscall.SIGSTOP {
				wake(t, one.Process)
			}
			w.send(all[600:]...)
			w.inLedger()
			_ = one.Process.Kill()
			killed(t, one)
			eventually(t, "the second has all", func() bool { return running(two, 4) })
			w.audit()
			sameAccounts(t, want, two.accounts(names))
		})
	}
}

// turmoil is how long TestRealTurmoil lasts; ACCRUE_TEST_TURMOIL sets it.
func turmoil() time.Duration {
	if d, err := time.ParseDuration(os.Getenv("ACCRUE_TEST_TURMOIL")); err == nil {
		return d
	}
	return 12 * time.Second
}

// TestRealTurmoil pauses and kills three instances at random, while events come and the clock makes points due.
func TestRealTurmoil(t *testing.T) {
	if testing.Short() {
		t.Skip("takes half a minute")
	}
	w := newRealWorld(t, 4)
	w.publish(heldProgram)
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	all := history(seed, 100, 200)
	end := time.Now().Add(turmoil())
	pause := turmoil() / time.Duration(len(all)/20)
	sent := make(chan struct{})
	go func() {
		defer close(sent)
		for len(all) > 0 {
			n := min(20, len(all))
			w.send(all[:n]...)
			if len(all)%100 < 20 {
				w.tick(all[n-1].Head().At)
			}
			all = all[n:]
			time.Sleep(pause)
		}
	}()
	var wg sync.WaitGroup
	var stops, kills atomic.Int64
	for n, name := range []string{"one", "two", "three"} {
		dir := t.TempDir()
		r := rand.New(rand.NewPCG(seed, uint64(n)))
		wg.Go(func() {
			p := w.spawn(name, dir)
			for time.Now().Before(end) {
				time.Sleep(time.Duration(r.IntN(3000)) * time.Millisecond)
				switch k := r.IntN(10); {
				case k < 3:
					_ = p.Process.Kill()
					killed(t, p)
					kills.Add(1)
					p = w.spawn(name, dir)
				case k < 5: // longer than a session
					stop(t, p.Process)
					time.Sleep(6*time.Second + time.Duration(r.IntN(4000))*time.Millisecond)
					wake(t, p.Process)
					stops.Add(1)
				default:
					stop(t, p.Process)
					time.Sleep(time.Duration(r.IntN(1000)) * time.Millisecond)
					wake(t, p.Process)
					stops.Add(1)
				}
			}
			_ = p.Process.Kill()
			killed(t, p)
		})
	}
	wg.Wait()
	<-sent
	t.Logf("%d decisions between %d kills and %d pauses", len(w.decisions()), kills.Load(), stops.Load())
	i := w.start("four", "")
	w.inLedger()
	w.tick(t0 + 100*day)
	eventually(t, "one instance has all and has worked off the tick", func() bool {
		return running(i, 4) && !slices.ContainsFunc(i.engine.Status(), func(s consumer.PartitionStatus) bool {
			return s.Clock != t0+100*day || s.Sweeping
		})
	})
	w.audit()
	for p := range w.partitions {
		live, err := i.store.Partition(p)
		if err != nil {
			t.Fatal(err)
		}
		if err := state.Compare(live, w.restored(p)); err != nil {
			t.Errorf("partition %d: %v", p, err)
		}
	}
}

func stop(t *testing.T, p *os.Process) { signal(t, p, syscall.SIGSTOP) }
func wake(t *testing.T, p *os.Process) { signal(t, p, syscall.SIGCONT) }

func signal(t *testing.T, p *os.Process, s os.Signal) {
	t.Helper()
	if err := p.Signal(s); err != nil {
		t.Fatal(err)
	}
}
