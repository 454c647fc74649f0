package main

import (
	"errors"
	"fmt"
	"math"
	"net"
	"net/url"
	"time"
)

const (
	// workersMax and partitionsMax are beyond what is of use; they catch mistyped numbers.
	workersMax    = 1024
	partitionsMax = 10_000
	portMax       = 65_535
	// hashKeyBytesMin and statementMost are what the API asks for.
	hashKeyBytesMin = 16
	statementMost   = 500
)

// Validate reports everything that is wrong with the flags.
func (c *runCommand) Validate() error {
	return errors.Join(append(c.check(), someFolder(c.Dir), reachableBy("--advertise", c.Advertise), notNegative("--tick", c.Tick))...)
}

// Validate reports everything that is wrong with the flags.
func (f *topicsFlags) Validate() error {
	return errors.Join(within("--replicas", int64(f.Replicas), 0, math.MaxInt16))
}

// Validate refuses what would only be refused in the ledger.
func (c *adjustCommand) Validate() error {
	if c.Points == 0 {
		return errors.Join(errors.New("--points: is 0, want how many to add, or, below 0, to take"))
	}
	return nil
}

// Validate reports everything that is wrong with the flags.
func (c *devCommand) Validate() error {
	return errors.Join(append(c.check(),
		someFolder(c.Dir),
		notNegative("--tick", c.Tick),
		within("--port", int64(c.Port), 0, portMax),
		within("--registry-port", int64(c.RegistryPort), 0, portMax),
		within("--partitions", int64(c.Partitions), 1, partitionsMax))...)
}

// Validate reports everything that is wrong with the flags.
func (c *demoCommand) Validate() error { return errors.Join(listenable(c.Listen)) }

// Validate refuses what the API would, in the flag's name.
func (c *statementCommand) Validate() error {
	return errors.Join(within("--limit", int64(c.Limit), 1, statementMost))
}

func (f *serveFlags) check() []error {
	problems := []error{
		listenable(f.Listen),
		within("--workers", int64(f.Workers), 1, workersMax),
		within("--memory-mib", f.Memory, memoryLeastMiB, memoryMostMiB),
	}
	if n := len(f.HashKey); n > 0 && n < hashKeyBytesMin {
		problems = append(problems, fmt.Errorf("--hash-key ($ACCRUE_HASH_KEY): has %d bytes, at least %d are needed", n, hashKeyBytesMin))
	}
	return problems
}

// memoryLeastMiB is what an instance needs; memoryMostMiB is more than any machine has, and can be counted in bytes.
const (
	memoryLeastMiB = 256
	memoryMostMiB  = 1 << 30
)

// within refuses a flag's number outside of least to most.
func within(flag string, n, least, most int64) error {
	if n < least || n > most {
		return fmt.Errorf("%s: is %d, want %d to %d", flag, n, least, most)
	}
	return nil
}

func notNegative(flag string, d time.Duration) error {
	if d < 0 {
		return fmt.Errorf("%s: is %s, want 0 or more", flag, d)
	}
	return nil
}

// reachableBy refuses what others cannot ask; "" leaves it out.
func reachableBy(flag, address string) error {
	if address == "" {
		return nil
	}
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return fmt.Errorf("%s: %q is no address such as http://127.0.0.1:8080", flag, address)
	}
	return nil
}

// someFolder refuses an empty --dir, which is a script's variable without a value.
func someFolder(dir string) error {
	if dir == "" {
		return errors.New("--dir ($ACCRUE_DIR): is empty: name a folder, or leave it out")
	}
	return nil
}

// listenable refuses what is no address to listen on.
func listenable(address string) error {
	_, port, err := net.SplitHostPort(address)
	if err == nil {
		_, err = net.LookupPort("tcp", port)
	}
	if err != nil {
		return fmt.Errorf("--listen: %q is no address such as 127.0.0.1:8080 or :8080", address)
	}
	return nil
}
