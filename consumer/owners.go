package consumer

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/accrue-loyalty/accrue/schemas"
)

// Owner is who decides a partition.
type Owner struct {
	Partition int32 `json:"partition"`
	// Instance and Worker name the member; Instance is [Config.Instance].
	Instance string `json:"instance"`
	Worker   int    `json:"worker"`
	// API is where the instance's API can be reached, as it advertised it.
	API string `json:"api,omitempty"`
}

// card is what a member tells the group of itself.
type card struct {
	Instance string `json:"instance"`
	Worker   int    `json:"worker"`
	API      string `json:"api,omitempty"`
}

// balancer is the range balancer, which lines up partitions of topics with equal counts, with a card in each member's
// metadata.
type balancer struct {
	kgo.GroupBalancer
	card    []byte
	joining func()
}

// newBalancer returns a balancer that calls joining before each join.
func newBalancer(c card, joining func()) (*balancer, error) {
	b, err := json.Marshal(c)
	if err != nil {
		return nil, fmt.Errorf("writing the group metadata: %w", err)
	}
	return &balancer{kgo.RangeBalancer(), b, joining}, nil
}

// JoinGroupMetadata implements [kgo.GroupBalancer]. The client calls it when it makes a request to join.
func (b *balancer) JoinGroupMetadata(topics []string, current map[string][]int32, generation int32) []byte {
	b.joining()
	plain := b.GroupBalancer.JoinGroupMetadata(topics, current, generation)
	var m kmsg.ConsumerMemberMetadata
	if err := m.ReadFrom(plain); err != nil {
		return plain
	}
	m.UserData = b.card
	return m.AppendTo(nil)
}

// ownersFresh is how long an answer about owners is used again, if it knows them all: while the group rebalances it has
// none, and soon has.
const ownersFresh = time.Second

type ownersCache struct {
	mu   sync.Mutex
	at   time.Time
	list []Owner
}

// Owners returns who owns each partition, in order; partitions without an owner are left out. An answer without any left
// out may be a second old.
func (c *Client) Owners(ctx context.Context) ([]Owner, error) {
	c.owners.mu.Lock()
	defer c.owners.mu.Unlock()
	n, err := c.Partitions(ctx)
	if err != nil {
		return nil, err
	}
	if len(c.owners.list) == int(n) && time.Since(c.owners.at) < ownersFresh {
		return c.owners.list, nil
	}
	members, err := c.members(ctx)
	if err != nil {
		return nil, err
	}
	byPartition := make([]*Owner, n)
	for _, m := range members {
		who, ok := cardOf(&m)
		if !ok {
			continue
		}
		assigned, ok := m.Assigned.AsConsumer()
		if !ok {
			continue
		}
		for _, t := range assigned.Topics {
			if t.Topic != c.Name(schemas.TopicOrders) {
				continue
			}
			for _, p := range t.Partitions {
				if p >= 0 && p < n {
					byPartition[p] = &Owner{Partition: p, Instance: who.Instance, Worker: who.Worker, API: who.API}
				}
			}
		}
	}
	list := make([]Owner, 0, n)
	for _, o := range byPartition {
		if o != nil {
			list = append(list, *o)
		}
	}
	c.owners.list, c.owners.at = list, time.Now()
	return list, nil
}

// members asks who is in the group. Nobody is in one that nobody has joined yet.
func (c *Client) members(ctx context.Context) ([]kadm.DescribedGroupMember, error) {
	group := c.cfg.group()
	described, err := c.admin.DescribeGroups(ctx, group)
	if err == nil {
		err = described[group].Err
	}
	if errors.Is(err, kerr.GroupIDNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("asking who is in the group %s: %w", group, err)
	}
	return described[group].Members, nil
}

// cardOf reads a member's card; a stranger in the group has none.
func cardOf(m *kadm.DescribedGroupMember) (who card, ok bool) {
	join, ok := m.Join.AsConsumer()
	if !ok || json.Unmarshal(join.UserData, &who) != nil {
		return card{}, false
	}
	return who, true
}
