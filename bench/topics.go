package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// rules are those of the throughput runs: tiers, expiry, nothing that waits.
const rules = `program: bench
currency: USD
timezone: Europe/Berlin
point_value: 0.01
expiry: {after: 12 months, round_to: end_of_month}
tiers:
  window: {rolling_months: 12}
  downgrade: {policy: one_down, grace_days: 30}
  levels:
    - {name: Bronze, from: 0}
    - {name: Silver, from: 1000, multiplier: 1.25}
    - {name: Gold, from: 5000, multiplier: 1.5}
earn:
  - {id: base, on: OrderPlaced, per: 1.00, points: 1}
`

// accrue runs a command of the binary under measure.
func (b *bench) accrue(ctx context.Context, args ...string) error {
	out, err := exec.CommandContext(ctx, b.binary, args...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("accrue %s: %w\n%s", strings.Join(args, " "), err, out)
	}
	return nil
}

// system makes the topics of a system under a prefix of its own, and publishes the rules.
func (b *bench) system(ctx context.Context, prefix string) error {
	if err := b.accrue(ctx, "topics", "create", "--brokers", b.broker, "--prefix", prefix, "--partitions", fmt.Sprint(b.partitions), "--replicas", "1"); err != nil {
		return err
	}
	file := filepath.Join(b.dir, "program.yaml")
	if err := os.WriteFile(file, []byte(rules), 0o600); err != nil {
		return err
	}
	return b.accrue(ctx, "program", "publish", file, "--brokers", b.broker, "--prefix", prefix, "--at", "2000-01-01", "--now")
}

// admin calls f with an admin client.
func (b *bench) admin(f func(*kadm.Client) error) error {
	cl, err := kgo.NewClient(kgo.SeedBrokers(b.broker))
	if err != nil {
		return err
	}
	defer cl.Close()
	return f(kadm.NewClient(cl))
}

// renew empties a system's ledger and forgets its group, so that it decides the same events again.
func (b *bench) renew(ctx context.Context, prefix string) error {
	return b.admin(func(adm *kadm.Client) error {
		topic := prefix + "ledger"
		if _, err := adm.DeleteTopics(ctx, topic); err != nil {
			return err
		}
		if _, err := adm.DeleteGroups(ctx, prefix+"engine"); err != nil {
			return err
		}
		for range 100 {
			resp, err := adm.CreateTopic(ctx, b.partitions, 1, nil, topic)
			if err == nil && resp.Err == nil {
				return nil
			}
			time.Sleep(100 * time.Millisecond)
		}
		return fmt.Errorf("topic %s could not be created again", topic)
	})
}
