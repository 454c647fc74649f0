package main

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/accrue-loyalty/accrue/loyalty"
)

// version is set by the release build: -ldflags "-X main.version=v1.2.3".
var version = ""

// versionCommand prints what this binary is.
type versionCommand struct{}

// Help is shown by --help.
func (versionCommand) Help() string {
	return "Prints the version, the commit it was built from, and the newest revision of the rules' meaning that it knows."
}

// Run implements the command.
func (versionCommand) Run(r *run) error {
	v := versionOf()
	if r.json {
		return r.printJSON(map[string]any{"version": v, "go": runtime.Version(), "revision": loyalty.RevisionNewest})
	}
	_, err := fmt.Fprintf(r.Stdout, "accrue %s (%s, rules revision %d)\n", v, runtime.Version(), loyalty.RevisionNewest)
	return err
}

// versionOf returns the release's version, or the commit of a build from source.
func versionOf() string {
	if version != "" {
		return version
	}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "dev"
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" && len(s.Value) >= 12 {
			return "dev-" + s.Value[:12]
		}
	}
	return "dev"
}
