package kafkatest_test

import (
	"os"
	"strings"
	"testing"

	"github.com/accrue-loyalty/accrue/internal/kafkatest"
)

// The scripts fetch what the tests look for, and compose runs the same broker.
func TestVersionsAgree(t *testing.T) {
	for path, want := range map[string][]string{
		"../../scripts/lib.sh": {
			"KAFKA_VERSION:-" + kafkatest.KafkaVersion + "}",
			"APICURIO_VERSION:-" + kafkatest.ApicurioVersion + "}",
		},
		"../../docker-compose.yml": {"apache/kafka:" + kafkatest.KafkaVersion + "}"},
	} {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, w := range want {
			if !strings.Contains(string(text), w) {
				t.Errorf("%s does not say %s", path, w)
			}
		}
	}
}
