package consumer

import (
	"fmt"
	"slices"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

func TestPartitionsAreSpreadOverInstances(t *testing.T) {
	for _, c := range []struct{ instances, partitions int }{{1, 8}, {2, 12}, {3, 8}, {5, 12}, {8, 12}, {3, 64}} {
		t.Run(fmt.Sprintf("%d partitions over %d instances", c.partitions, c.instances), func(t *testing.T) {
			counts := make([]int, c.instances)
			for id, n := range assignedBy(t, c.instances, c.partitions) {
				counts[id] = n
			}
			if slices.Max(counts)-slices.Min(counts) > 1 {
				t.Errorf("the instances got %v partitions", counts)
			}
		})
	}
}

// assignedBy returns how many partitions of a topic each instance gets from the group's leader.
func assignedBy(t *testing.T, instances, partitions int) map[int]int {
	t.Helper()
	const topic = "orders"
	var members []kmsg.JoinGroupResponseMember
	of := map[string]int{}
	var leader kgo.GroupBalancer
	for i := range instances {
		cfg := DefaultConfig()
		cfg.Instance = fmt.Sprintf("shop.eu-%d", i)
		e := &Engine{cfg: cfg, storeID: fmt.Sprintf("%08x", 0xfedcba98-7*uint32(i))}
		for n := range cfg.Workers {
			b, err := newBalancer(card{Instance: cfg.Instance, Worker: n}, func() {})
			if err != nil {
				t.Fatal(err)
			}
			m := kmsg.NewJoinGroupResponseMember()
			id := newWorker(e, n).memberID()
			m.MemberID, m.InstanceID = fmt.Sprintf("%x", len(members)*7919), &id
			m.ProtocolMetadata = b.JoinGroupMetadata([]string{topic}, nil, 0)
			members, leader, of[m.MemberID] = append(members, m), b, i
		}
	}
	mb, _, err := leader.MemberBalancer(members)
	if err != nil {
		t.Fatal(err)
	}
	plan, err := mb.(kgo.GroupMemberBalancerOrError).BalanceOrError(map[string]int32{topic: int32(partitions)})
	if err != nil {
		t.Fatal(err)
	}
	got := map[int]int{}
	for _, a := range plan.IntoSyncAssignment() {
		assigned, err := leader.ParseSyncAssignment(a.MemberAssignment)
		if err != nil {
			t.Fatal(err)
		}
		got[of[a.MemberID]] += len(assigned[topic])
	}
	return got
}
