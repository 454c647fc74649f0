// Package deploy holds what operators need beside the binary. Its tests read
// docker-compose.yml as Docker would.
package deploy_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

type composeFile struct {
	Services map[string]service
	Volumes  map[string]any
}

type service struct {
	Image       string
	Build       any
	Command     []string
	Environment map[string]string
	Volumes     []string
	Ports       []string
	DependsOn   map[string]dependency `yaml:"depends_on"`
	Healthcheck healthcheck
}

type dependency struct{ Condition string }

type healthcheck struct {
	Test     []string
	Interval string
	Timeout  string
	Retries  int
	Disable  bool
}

// onceOnly are the services that run once, before accrue.
var onceOnly = map[string]bool{"topics": true, "program": true}

func readCompose(t *testing.T) composeFile {
	t.Helper()
	text, err := os.ReadFile("../docker-compose.yml")
	if err != nil {
		t.Fatal(err)
	}
	var f composeFile
	if err := yaml.Unmarshal(text, &f); err != nil {
		t.Fatal(err)
	}
	return f
}

func TestComposeBringsUpTheWholeSystem(t *testing.T) {
	f := readCompose(t)
	for _, name := range []string{"kafka", "registry", "topics", "program", "accrue", "prometheus"} {
		if _, ok := f.Services[name]; !ok {
			t.Errorf("there is no service %s", name)
		}
	}
	// One command must be enough: what is ours is built from this tree, and
	// what is not has a public image that the environment can replace.
	overridable := regexp.MustCompile(`^\$\{[A-Z]+_IMAGE:-[a-z/-]+:[a-z0-9.]+\}$`)
	for name, s := range f.Services {
		if !overridable.MatchString(s.Image) {
			t.Errorf("%s: image %q is not ${NAME_IMAGE:-image:version}", name, s.Image)
		}
		if ours := strings.HasPrefix(s.Image, "${ACCRUE_IMAGE"); ours != (s.Build != nil) {
			t.Errorf("%s: image %q, built here: %t", name, s.Image, s.Build != nil)
		}
	}
	if want := "${KAFKA_IMAGE:-apache/kafka:4.3.1}"; f.Services["kafka"].Image != want {
		t.Errorf("kafka: image %q, but the tests of internal/kafkatest run on %q", f.Services["kafka"].Image, want)
	}
}

func TestEveryServiceHasAHealthcheck(t *testing.T) {
	for name, s := range readCompose(t).Services {
		h := s.Healthcheck
		switch {
		case onceOnly[name]:
			if !h.Disable {
				t.Errorf("%s runs once and must not inherit the image's health check", name)
			}
		case len(h.Test) < 2 || h.Interval == "" || h.Timeout == "" || h.Retries == 0:
			t.Errorf("%s: incomplete health check %+v", name, h)
		}
	}
}

// Every service waits for what it needs to be healthy or done, not started.
func TestOrderOfStart(t *testing.T) {
	f := readCompose(t)
	for name, s := range f.Services {
		for on, d := range s.DependsOn {
			want := "service_healthy"
			if onceOnly[on] {
				want = "service_completed_successfully"
			}
			if d.Condition != want {
				t.Errorf("%s waits for %s to be %q, want %q", name, on, d.Condition, want)
			}
		}
	}
	needs := func(name, on string) bool {
		for at := map[string]bool{name: true}; len(at) > 0; {
			next := map[string]bool{}
			for n := range at {
				for d := range f.Services[n].DependsOn {
					if d == on {
						return true
					}
					next[d] = true
				}
			}
			at = next
		}
		return false
	}
	for _, on := range []string{"kafka", "registry", "topics", "program"} {
		if !needs("accrue", on) {
			t.Errorf("accrue starts without waiting for %s", on)
		}
	}
}

func TestAccrueIsConfiguredByEnvironment(t *testing.T) {
	s := readCompose(t).Services["accrue"]
	for _, name := range []string{"ACCRUE_BROKERS", "ACCRUE_REGISTRY", "ACCRUE_DIR", "ACCRUE_LISTEN", "ACCRUE_ADVERTISE", "ACCRUE_INSTANCE"} {
		if s.Environment[name] == "" {
			t.Errorf("%s is not set", name)
		}
	}
	if len(s.Command) == 0 || s.Command[0] != "run" {
		t.Errorf("command %v, want run", s.Command)
	}
}

func TestMountsExist(t *testing.T) {
	f := readCompose(t)
	defaultOf := regexp.MustCompile(`^\$\{[A-Z_]+:-([^}]+)\}`)
	for name, s := range f.Services {
		for _, v := range s.Volumes {
			source, _, _ := strings.Cut(defaultOf.ReplaceAllString(v, "$1"), ":")
			if !strings.HasPrefix(source, ".") {
				if _, ok := f.Volumes[source]; !ok {
					t.Errorf("%s: volume %s is not declared", name, source)
				}
				continue
			}
			if _, err := os.Stat(filepath.Join("..", source)); err != nil {
				t.Errorf("%s mounts what is not there: %v", name, err)
			}
		}
	}
}

// Prometheus scrapes accrue where compose puts it.
func TestPrometheusScrapesAccrue(t *testing.T) {
	text, err := os.ReadFile("prometheus.yml")
	if err != nil {
		t.Fatal(err)
	}
	var c struct {
		ScrapeConfigs []struct {
			JobName       string                       `yaml:"job_name"`
			StaticConfigs []struct{ Targets []string } `yaml:"static_configs"`
		} `yaml:"scrape_configs"`
	}
	if err := yaml.Unmarshal(text, &c); err != nil {
		t.Fatal(err)
	}
	listen := readCompose(t).Services["accrue"].Environment["ACCRUE_LISTEN"]
	for _, j := range c.ScrapeConfigs {
		for _, s := range j.StaticConfigs {
			for _, target := range s.Targets {
				if target == "accrue"+listen {
					return
				}
			}
		}
	}
	t.Errorf("no job scrapes accrue%s", listen)
}
