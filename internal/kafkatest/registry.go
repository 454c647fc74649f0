package kafkatest

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/accrue-loyalty/accrue/internal/embedded"
)

// Registry returns the base URL, in Confluent's API, of the schema registry
// that ACCRUE_TEST_REGISTRY names, started if need be. Like Broker, it skips
// where the variable is empty and fails where ACCRUE_REQUIRE_REGISTRY is 1.
//
// Subjects are shared by the tests of a process and should begin with Prefix.
func Registry(t testing.TB) string {
	t.Helper()
	kind := os.Getenv("ACCRUE_TEST_REGISTRY")
	mustRun(t)
	if kind == "" {
		skip(t, "ACCRUE_REQUIRE_REGISTRY", "NOT RUN: this test needs a schema registry. Run it with ACCRUE_TEST_REGISTRY=jvm (after scripts/registry-jars.sh) or ACCRUE_TEST_REGISTRY=http://host:port/path")
	}
	registry.once.Do(func() { startRegistry(kind) })
	if registry.err != nil {
		t.Fatalf("ACCRUE_TEST_REGISTRY=%s: %v", kind, registry.err)
	}
	t.Logf("registry: %s at %s", registry.what, registry.addr)
	return registry.addr
}

func startRegistry(kind string) {
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	switch {
	case kind == "embedded":
		var c *embedded.Cluster
		if c, registry.err = embedded.Start(embedded.Config{}); registry.err == nil {
			registry.what, registry.addr, registry.stop = "embedded srfake", c.RegistryURL(), c.Close
		}
	case kind == "jvm":
		var p *Process
		if p, registry.err = startApicurio(ctx); registry.err == nil {
			registry.what, registry.addr, registry.stop = "Apicurio "+ApicurioVersion+" on the JVM", p.Addr, p.Stop
		}
	case strings.HasPrefix(kind, "http://"), strings.HasPrefix(kind, "https://"):
		registry.what, registry.addr = "a registry that ran already", kind
	default:
		registry.err = fmt.Errorf("want embedded, jvm or a URL")
	}
}
