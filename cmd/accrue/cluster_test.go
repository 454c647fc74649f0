package main

import (
	"encoding/pem"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/accrue-loyalty/accrue/internal/embedded"
)

func TestTheRegistryMayHaveACertificateOfAnAuthorityOfOnesOwn(t *testing.T) {
	c, err := embedded.Start(embedded.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	at, err := url.Parse(c.RegistryURL())
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewTLSServer(httputil.NewSingleHostReverseProxy(at))
	t.Cleanup(server.Close)
	file := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	flags := clusterFlags{Registry: []string{server.URL}}
	if _, err := flags.codec(t.Context(), true); err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("without --tls-ca: got %v", err)
	}
	flags.TLSCA = file
	if _, err := flags.codec(t.Context(), true); err != nil {
		t.Errorf("with --tls-ca: %v", err)
	}
}
