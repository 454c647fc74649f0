package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/accrue-loyalty/accrue/schemas"
)

// topicsCommand makes and checks the topics.
type topicsCommand struct {
	Create topicsCreateCommand `cmd:"" help:"Make the topics that are missing."`
	Check  topicsCheckCommand  `cmd:"" help:"Say what differs from how the topics should be."`
}

type topicsFlags struct {
	clusterFlags
	Replicas int16 `placeholder:"N" default:"0" help:"Copies of each partition; 0: 3, or as many as there are brokers if fewer."`
}

type topicsCreateCommand struct {
	topicsFlags
	Partitions *int32 `env:"ACCRUE_PARTITIONS" placeholder:"N" help:"Partitions of the ledger and of all inputs, which cannot be changed later: as many as those that are there have, or 8."`
}

// Help is shown by --help.
func (topicsCreateCommand) Help() string {
	return `Makes the topics that are missing, with the partitions, retention and compaction that they need, and registers
the schemas when a registry is given. Topics that are there already are left as they are: see accrue topics check.

A customer is on the same partition number of every topic, so the number of partitions is for ever. Nothing is made where
topics are there with other numbers. 8 served 87,000 orders a second with broker and engine on one machine of two cores;
more partitions let more machines share the work.

Example:

  accrue topics create --brokers kafka-1:9092,kafka-2:9092 --partitions 24`
}

// plans lists the topics with what they need on this cluster.
func (f *topicsFlags) plans(ctx context.Context, c *cluster) ([]schemas.TopicPlan, int16, error) {
	replicas := f.Replicas
	if replicas <= 0 {
		meta, err := c.admin.BrokerMetadata(ctx)
		if err != nil {
			return nil, 0, fmt.Errorf("asking for the brokers: %w", err)
		}
		replicas = int16(min(3, len(meta.Brokers)))
	}
	return schemas.Plans(replicas), replicas, nil
}

type topicMade struct {
	Topic      string `json:"topic"`
	Partitions int32  `json:"partitions"`
	Made       bool   `json:"made"`
}

// Run implements the command.
func (c *topicsCreateCommand) Run(r *run) error {
	if c.Partitions != nil {
		if err := within("--partitions", int64(*c.Partitions), 1, partitionsMax); err != nil {
			return wrongUsage(err)
		}
	}
	cl, err := c.reach(r.ctx, true, nil, r.Kafka...)
	if err != nil {
		return err
	}
	defer cl.close()
	plans, replicas, err := c.plans(r.ctx, cl)
	if err != nil {
		return err
	}
	if err := c.enoughBrokers(r.ctx, cl); err != nil {
		return err
	}
	partitions, err := c.count(r.ctx, cl, plans)
	if err != nil {
		return err
	}
	made, err := createTopics(r.ctx, cl, plans, partitions, replicas)
	if err != nil {
		return err
	}
	if r.json {
		return r.printJSON(map[string]any{"topics": made, "replicas": replicas})
	}
	rows := make([][]any, len(made))
	for i, t := range made {
		state := "was there"
		if t.Made {
			state = "made"
		}
		rows[i] = []any{t.Topic, t.Partitions, state}
	}
	printTable(r.Stdout, []column{{"topic", false}, {"partitions", true}, {"", false}}, rows)
	return nil
}

// enoughBrokers refuses more copies than there are brokers: each broker keeps one at most.
func (c *topicsCreateCommand) enoughBrokers(ctx context.Context, cl *cluster) error {
	if c.Replicas <= 0 {
		return nil
	}
	meta, err := cl.admin.BrokerMetadata(ctx)
	if err != nil {
		return fmt.Errorf("asking for the brokers: %w", err)
	}
	if have := len(meta.Brokers); int(c.Replicas) > have {
		return couldNot(fmt.Errorf("--replicas: %d copies need as many brokers, and the cluster has %d; topics made: none", c.Replicas, have),
			fmt.Sprintf("Start more brokers, ask for %d at most, or leave --replicas out: then there are as many as can be, up to 3.", have))
	}
	return nil
}

// partitionsFirst is how many partitions the topics get where nothing else is asked for.
const partitionsFirst = 8

// count returns how many partitions the topics shall have: what was asked for, or what those that are there have.
func (c *topicsCreateCommand) count(ctx context.Context, cl *cluster, plans []schemas.TopicPlan) (int32, error) {
	if c.Partitions != nil {
		return *c.Partitions, nil
	}
	have, err := partitionsThere(ctx, cl, plans)
	return cmp.Or(have, partitionsFirst), err
}

// partitionsThere returns how many partitions the topics have that are there, 0 where none is.
func partitionsThere(ctx context.Context, cl *cluster, plans []schemas.TopicPlan) (int32, error) {
	names := []string{schemas.TopicLedger.Name(cl.prefix)} // first, because the others go by it
	for _, p := range plans {
		if p.Partitions == 0 {
			names = append(names, p.Topic.Name(cl.prefix))
		}
	}
	have, err := cl.admin.ListTopics(ctx, names...)
	if err != nil {
		return 0, fmt.Errorf("listing the topics: %w", err)
	}
	for _, name := range names {
		if t := have[name]; t.Err == nil && len(t.Partitions) > 0 {
			return int32(len(t.Partitions)), nil
		}
	}
	return 0, nil
}

// createTopics makes the topics that are missing, or none when those that are there don't go with them.
func createTopics(ctx context.Context, c *cluster, plans []schemas.TopicPlan, partitions int32, replicas int16) ([]topicMade, error) {
	all := make([]topicMade, len(plans))
	names := make([]string, len(plans))
	for i, p := range plans {
		names[i] = p.Topic.Name(c.prefix)
		all[i] = topicMade{Topic: names[i], Partitions: cmp.Or(p.Partitions, partitions)}
	}
	have, err := c.admin.ListTopics(ctx, names...)
	if err != nil {
		return nil, fmt.Errorf("listing the topics: %w", err)
	}
	if err := topicsAgree(have, all, plans); err != nil {
		return nil, err
	}
	for i, p := range plans {
		settings := map[string]*string{}
		for _, s := range p.Settings {
			settings[s.Key] = kadm.StringPtr(s.Value)
		}
		resp, err := c.admin.CreateTopic(ctx, all[i].Partitions, replicas, settings, names[i])
		if err == nil {
			err = resp.Err
		}
		if err != nil && !errors.Is(err, kerr.TopicAlreadyExists) {
			return nil, fmt.Errorf("making the topic %s: %w; topics made: %s", names[i], err, madeOf(all))
		}
		all[i].Made = err == nil
	}
	if have, err = listMade(ctx, c, names); err != nil {
		return nil, err
	}
	for _, name := range names {
		if err := have[name].Err; err != nil {
			return nil, fmt.Errorf("topic %s: %w", name, err)
		}
	}
	return all, topicsAgree(have, all, plans) // once more, because others may make topics too
}

// madeOf lists the topics that were made.
func madeOf(all []topicMade) string {
	var names []string
	for _, t := range all {
		if t.Made {
			names = append(names, t.Topic)
		}
	}
	return cmp.Or(strings.Join(names, ", "), "none")
}

// topicsAgree refuses topics that are there with other partitions than wanted, and says what is there.
func topicsAgree(have kadm.TopicDetails, all []topicMade, plans []schemas.TopicPlan) error {
	there := map[int32][]string{} // by their number of partitions
	var asked int32
	var lone error
	for i, want := range all {
		t := have[want.Topic]
		n := int32(len(t.Partitions))
		switch {
		case t.Err != nil || n == 0:
		case plans[i].Partitions != 0:
			if n != want.Partitions {
				lone = fmt.Errorf("topic %s has %s, and needs %d; topics made: %s", want.Topic, plural(int(n), "partition"), want.Partitions, madeOf(all))
			}
		default:
			there[n] = append(there[n], want.Topic)
			if n != want.Partitions {
				asked = want.Partitions
			}
		}
	}
	switch numbers := slices.Sorted(maps.Keys(there)); {
	case len(numbers) > 1:
		var each []string
		for _, n := range numbers {
			each = append(each, fmt.Sprintf("%d: %s", n, strings.Join(there[n], ", ")))
		}
		return notSo(fmt.Errorf("the topics that are there differ in their numbers of partitions (%s); topics made: %s", strings.Join(each, "; "), madeOf(all)),
			"All inputs and the ledger need the same number. Delete those that differ, if nothing is in them yet, and run this again; or begin anew with another --prefix.")
	case asked != 0:
		return notSo(fmt.Errorf("asked were %s, and the topics that are there have %d: %s; topics made: %s", plural(int(asked), "partition"),
			numbers[0], strings.Join(there[numbers[0]], ", "), madeOf(all)),
			"The number is for ever: leave --partitions out, and the missing topics get the same; or begin anew with another --prefix.")
	case lone != nil:
		return notSo(lone, "Delete it, if nothing is in it yet, and run this again; or begin anew with another --prefix.")
	}
	return nil
}

// A broker may answer that a topic was made before all of them know it.
const (
	topicsKnownWithin = 10 * time.Second
	topicsAskedEvery  = 50 * time.Millisecond
)

// listMade lists topics that were just made, once the brokers know them all.
func listMade(ctx context.Context, c *cluster, names []string) (kadm.TopicDetails, error) {
	for deadline := time.Now().Add(topicsKnownWithin); ; time.Sleep(topicsAskedEvery) {
		have, err := c.admin.ListTopics(ctx, names...)
		if err != nil {
			return nil, fmt.Errorf("listing the topics: %w", err)
		}
		unknown := slices.ContainsFunc(names, func(name string) bool {
			return errors.Is(have[name].Err, kerr.UnknownTopicOrPartition)
		})
		if !unknown || time.Now().After(deadline) {
			return have, nil
		}
	}
}
