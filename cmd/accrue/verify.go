package main

import (
	"errors"
	"fmt"
	"sync"

	"github.com/accrue-loyalty/accrue/api"
	"github.com/accrue-loyalty/accrue/consumer"
)

// verifyCommand decides the whole ledger once more.
type verifyCommand struct {
	Partition []int32 `placeholder:"N" help:"Only these partitions of the ledger."`
	clusterFlags
}

// Help is shown by --help.
func (verifyCommand) Help() string {
	return `Walks the ledger from its first record, reads each record's cause from its topic, decides it once more under the
program version that it names, and compares bytes; and checks the chain of hashes, the accounts' invariants, that each
input has exactly one decision, that the ledger has all that was committed as decided, and, of a whole ledger, that what one
customer's account received another's has sent. It needs the topics, and no engine. Inputs that come after all that is
decided are counted: an engine has yet to decide them. What nobody else can know is taken from the ledger: in which order
the topics were read, and that deciding a record broke down, which is counted.

The inputs must be there whole: a cause that retention has deleted ends it with exit code 3, and so does an input with
other partitions than the ledger, unless --partition names those to look at. Of the clock's ticks those will do under which
something was decided; whether a tick that is gone put the clock where the ledger says cannot be known.

Exit code 1 and the first difference of each partition, field by field, when something differs.

Example:

  accrue verify --brokers kafka-1:9092`
}

// Run implements the command.
func (c *verifyCommand) Run(r *run) error {
	cl, err := c.reach(r.ctx, false, nil, r.Kafka...)
	if err != nil {
		return err
	}
	defer cl.close()
	report, err := verify(r, cl, c.Partition)
	if errors.Is(err, consumer.ErrNoPartition) {
		return wrongUsage(err)
	}
	if errors.Is(err, consumer.ErrPartitionsDiffer) {
		return couldNot(fmt.Errorf("nothing was verified: %w", err), "Records in partitions that the ledger lacks are never decided. Those that it has are verified by --partition N,…; `accrue topics check` has more.")
	}
	if err != nil {
		return topicsMissing(err)
	}
	if r.json {
		if err := r.printJSON(verified(report)); err != nil {
			return err
		}
	} else {
		printVerified(r, report)
	}
	if len(report.Differences()) > 0 {
		return alreadyTold()
	}
	return nil
}

// verify decides partitions once more; nil are all of them.
func verify(r *run, cl *cluster, partitions []int32) (*consumer.VerifyReport, error) {
	bar := r.progress("verifying", "records")
	defer bar.end()
	var mu sync.Mutex
	done, ends := map[int32]int64{}, map[int32]int64{}
	report, err := cl.client.Verify(r.ctx, consumer.VerifyConfig{
		Partitions: partitions,
		Progress: func(partition int32, position, end int64) {
			mu.Lock()
			defer mu.Unlock()
			done[partition], ends[partition] = position, end
			var sum, total int64
			for id := range done {
				sum, total = sum+done[id], total+ends[id]
			}
			bar.set(sum, total)
		},
	})
	return &report, err
}

// verification is the JSON form of a report.
type verification struct {
	Records          int64                        `json:"records"`
	Seconds          float64                      `json:"seconds"`
	RecordsPerSecond float64                      `json:"records_per_second"`
	Differences      int                          `json:"differences"`
	Undecided        int64                        `json:"undecided"`
	Due              int64                        `json:"due"`
	Parked           int64                        `json:"parked"`
	Partitions       []consumer.VerifiedPartition `json:"partitions"`
}

func verified(r *consumer.VerifyReport) verification {
	return verification{r.Records, r.Took.Seconds(), r.RecordsPerSecond(), len(r.Differences()), r.Undecided(), r.Due(), r.Parked(), r.Partitions}
}

func printVerified(r *run, report *consumer.VerifyReport) {
	w := r.Stdout
	for _, d := range report.Differences() {
		fmt.Fprintln(w, api.VisibleLines(d.String()))
	}
	fmt.Fprintf(w, "%s of %s decided once more in %.1f s (%s a second): %s\n", grouped(report.Records, "record"),
		plural(len(report.Partitions), "partition"), report.Took.Seconds(), thousands(int64(report.RecordsPerSecond())),
		plural(len(report.Differences()), "difference"))
	if n := report.Unknown(); n > 0 {
		fmt.Fprintf(w, "%s had a schema that the registry did not know then, and does now: the ledger's word was taken for it.\n", grouped(n, "record"))
	}
	if n := report.Parked(); n > 0 {
		fmt.Fprintf(w, "%s parked, for that deciding broke down: the ledger's word was taken for it.\n", grouped(n, "record"))
	}
	if n := report.Rewritten(); n > 0 {
		fmt.Fprintf(w, "%s in other bytes that say the same, as of another version of accrue or another registry.\n", grouped(n, "record"))
	}
	if n := report.Due(); n > 0 {
		fmt.Fprintf(w, "%s with something due by the clock that is not decided yet: an engine does that (`accrue run`).\n", grouped(n, "customer"))
	}
	if n := report.Undecided(); n > 0 {
		fmt.Fprintf(w, "%s not decided yet: an engine does that (`accrue run`).\n", grouped(n, "input record"))
	}
}
