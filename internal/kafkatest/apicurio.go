package kafkatest

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
)

// ApicurioVersion is the registry that scripts/registry-jars.sh fetches: the
// last line that runs on Java 17.
const ApicurioVersion = "3.0.9"

// startApicurio starts an Apicurio registry with its schemas in memory, and
// returns when it is ready. It needs java (17 or later).
func startApicurio(ctx context.Context) (*Process, error) {
	home := filepath.Join(cacheDir(), "apicurio-"+ApicurioVersion)
	jar := filepath.Join(home, "apicurio-registry-app-"+ApicurioVersion+"-runner.jar")
	if _, err := os.Stat(jar); err != nil {
		return nil, fmt.Errorf("the registry is not in %s: run scripts/registry-jars.sh: %w", home, err)
	}
	dir, err := os.MkdirTemp("", "accrue-registry-")
	if err != nil {
		return nil, err
	}
	ports, err := freePorts(1)
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(javaPath(), "-Xmx512m", "-XX:TieredStopAtLevel=1", "-jar", jar)
	cmd.Dir = home
	cmd.Env = append(os.Environ(), "QUARKUS_HTTP_HOST=127.0.0.1", fmt.Sprintf("QUARKUS_HTTP_PORT=%d", ports[0]),
		"QUARKUS_HTTP_ACCESS_LOG_ENABLED=false")
	p, err := spawn(cmd, dir, endWithUs)
	if err != nil {
		return nil, err
	}
	base := fmt.Sprintf("http://127.0.0.1:%d", ports[0])
	p.Addr = base + "/apis/ccompat/v7"
	if err := p.await(ctx, answers(ctx, base+"/health/ready")); err != nil {
		return nil, fmt.Errorf("starting Apicurio %s: %w", ApicurioVersion, err)
	}
	return p, nil
}

// answers returns a condition for await: url answers 200.
func answers(ctx context.Context, url string) func() bool {
	return func() bool {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return false
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			return false
		}
		_ = resp.Body.Close()
		return resp.StatusCode == http.StatusOK
	}
}
