package main_test

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"os/exec"
	"strings"
	"testing"

	main "github.com/accrue-loyalty/accrue/cmd/accrue"
	"github.com/accrue-loyalty/accrue/internal/racetest"
	"github.com/accrue-loyalty/accrue/internal/racetest/racekafka"
)

// TestADemoThatIsInterruptedPromisesNothing ends it while the history comes in, of which nothing is left then.
func TestADemoThatIsInterruptedPromisesNothing(t *testing.T) {
	racetest.Skip(t)
	t.Parallel()
	ctx, interrupt := context.WithCancel(t.Context())
	defer interrupt()
	var out, errs lockedBuffer
	m := &main.Main{Stdin: strings.NewReader(""), Stdout: &out, Stderr: &errs, Kafka: racekafka.Options()}
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := free.Addr().String()
	free.Close()
	ended := make(chan int, 1)
	go func() { ended <- m.Run(ctx, []string{"demo", "--listen", address}) }()
	eventually(t, "purchases are decided", func() bool {
		r, err := http.Get("http://" + address + "/metrics")
		if err != nil {
			return false
		}
		defer r.Body.Close()
		b, err := io.ReadAll(r.Body)
		return err == nil && bytes.Contains(b, []byte(`type="OrderPlaced"`))
	})
	interrupt()
	if code := <-ended; code != 3 || !strings.Contains(errs.String(), "interrupted before it was done") ||
		strings.Contains(errs.String(), "Run it again") {
		t.Errorf("it ended with %d and said:\n%s", code, &errs)
	}
}

type cohort struct {
	Month     string `json:"month"`
	Customers int64  `json:"customers"`
	Months    []struct {
		Since   int   `json:"since"`
		Active  int64 `json:"active"`
		Orders  int64 `json:"orders"`
		Revenue int64 `json:"revenue_minor"`
	} `json:"months"`
}

// TestTheDemoIsTrue runs the whole demonstration and holds its cohorts against a script that knows only the CSV.
func TestTheDemoIsTrue(t *testing.T) {
	racetest.Skip(t)
	t.Parallel()
	o := accrue(t, "", "demo", "--exit", "--output", "json", "--listen", "127.0.0.1:0").want(t, 0)
	found := decode[struct {
		Import   struct{ Read, Published, Rejected, Ticks int64 }
		Balances []struct {
			Customer string
			Totals   struct{ Issued, Expired int64 }
		}
		Explained  struct{ Text string }
		Redemption struct{ Confirmed struct{ State string } }
		Cohorts    struct{ Cohorts []cohort }
		Verify     struct{ Records, Differences int64 }
	}](t, o.stdout)
	if i := found.Import; i.Read != 69_659 || i.Published != 69_659 || i.Rejected != 0 || i.Ticks != 547 {
		t.Errorf("import %+v", i)
	}
	if v := found.Verify; v.Differences != 0 || v.Records < 69_659 {
		t.Errorf("verify %+v", v)
	}
	if len(found.Balances) != 3 || found.Balances[1].Totals.Expired == 0 || found.Explained.Text == "" || found.Redemption.Confirmed.State != "confirmed" {
		t.Errorf("balances %+v, explained %q, redemption %+v", found.Balances, found.Explained.Text, found.Redemption)
	}
	t.Run("its cohorts are those of the script", func(t *testing.T) {
		python, err := exec.LookPath("python3")
		if err != nil {
			t.Skip("SKIPPED: without python3 the demo's cohorts were compared with nothing")
		}
		cmd := exec.CommandContext(t.Context(), python, "testdata/cohorts.py", "demo/cdnow.csv.gz")
		var errs bytes.Buffer
		cmd.Stderr = &errs
		b, err := cmd.Output()
		if err != nil {
			t.Fatalf("%v: %s", err, &errs)
		}
		want := decode[[]cohort](t, string(b))
		if g, w := mustJSON(t, found.Cohorts.Cohorts), mustJSON(t, want); g != w {
			t.Errorf("cohorts by replay\n%s\nfrom the CSV\n%s", g, w)
		}
	})
}
