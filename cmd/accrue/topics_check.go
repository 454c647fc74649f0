package main

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/accrue-loyalty/accrue/schemas"
)

type topicsCheckCommand struct{ topicsFlags }

// Help is shown by --help.
func (topicsCheckCommand) Help() string {
	return "Compares the topics with how they should be and ends with exit code 1 when one is missing or a setting that\n" +
		"guards the truth differs. Advice is printed too, as on the topics signals and notifications, which nothing uses yet."
}

// topicDifference is one thing about a topic that is not as it should be.
type topicDifference struct {
	Topic    string `json:"topic"`
	Setting  string `json:"setting"`
	Is       string `json:"is"`
	Want     string `json:"want"`
	Required bool   `json:"required"`
	Why      string `json:"why"`
}

// Run implements the command.
func (c *topicsCheckCommand) Run(r *run) error {
	cl, err := c.reach(r.ctx, false, nil, r.Kafka...)
	if err != nil {
		return err
	}
	defer cl.close()
	plans, _, err := c.plans(r.ctx, cl)
	if err != nil {
		return err
	}
	found, err := compareTopics(r.ctx, cl, plans)
	if err != nil {
		return err
	}
	bad := slices.ContainsFunc(found, func(d topicDifference) bool { return d.Required })
	switch {
	case r.json:
		if err := r.printJSON(map[string]any{"ok": !bad, "differences": found}); err != nil {
			return err
		}
	case len(found) == 0:
		fmt.Fprintf(r.Stdout, "All %d topics are as they should be.\n", len(plans))
	default:
		rows := make([][]any, len(found))
		for i, d := range found {
			kind := "advice"
			if d.Required {
				kind = "required"
			}
			rows[i] = []any{d.Topic, d.Setting, d.Is, d.Want, kind, d.Why}
		}
		printTable(r.Stdout, []column{{"topic", false}, {"setting", false}, {"is", false}, {"want", false}, {"", false}, {"why", false}}, rows)
	}
	if bad {
		return alreadyTold()
	}
	return nil
}

// compareTopics lists what differs from the plans.
func compareTopics(ctx context.Context, c *cluster, plans []schemas.TopicPlan) ([]topicDifference, error) {
	names := make([]string, len(plans))
	for i := range plans {
		names[i] = plans[i].Topic.Name(c.prefix)
	}
	have, err := c.admin.ListTopics(ctx, names...)
	if err != nil {
		return nil, fmt.Errorf("listing the topics: %w", err)
	}
	partitions, err := partitionsThere(ctx, c, plans)
	if err != nil {
		return nil, err
	}
	found := []topicDifference{}
	var present []string
	for i, p := range plans {
		t := have[names[i]]
		needed := !p.Topic.Reserved()
		if t.Err != nil {
			why := "`accrue topics create` makes it"
			if !needed {
				why += "; nothing uses it yet"
			}
			found = append(found, topicDifference{names[i], "topic", "missing", "there", needed, why})
			continue
		}
		present = append(present, names[i])
		want := cmp.Or(p.Partitions, partitions)
		if n := int32(len(t.Partitions)); n != want {
			found = append(found, topicDifference{names[i], "partitions", fmt.Sprint(n), fmt.Sprint(want), needed,
				"a customer is on the same partition number of every topic"})
		}
	}
	if len(present) == 0 {
		return found, nil
	}
	configs, err := c.admin.DescribeTopicConfigs(ctx, present...)
	if err != nil {
		return nil, fmt.Errorf("asking for the topics' settings: %w", err)
	}
	for i, p := range plans {
		rc, err := configs.On(names[i], nil)
		if err != nil {
			continue // missing, and said so
		}
		if rc.Err != nil {
			return nil, fmt.Errorf("settings of %s: %w", names[i], rc.Err)
		}
		is := map[string]string{}
		for _, kv := range rc.Configs {
			is[kv.Key] = kv.MaybeValue()
		}
		for _, s := range p.Settings {
			if is[s.Key] != s.Value {
				found = append(found, topicDifference{names[i], s.Key, is[s.Key], s.Value, s.Required && !p.Topic.Reserved(), s.Why})
			}
		}
	}
	return found, nil
}
