//go:build !unix

package embedded

import "os"

// lockDir does nothing where there is no flock: two processes on one folder
// are then the user's to avoid.
func lockDir(string) (*os.File, error) { return nil, nil }
