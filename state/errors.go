package state

import "errors"

// Errors of opening a store.
var (
	// ErrInUse means that another process, or another Store of this one, holds the folder.
	ErrInUse = errors.New("another accrue uses this folder")
	// ErrFormat means that the folder was written by a version of accrue that this one does not know. Delete the
	// folder to rebuild it from the ledger, or run the version that wrote it.
	ErrFormat = errors.New("unknown format of the state folder")
)

// Errors of using a partition.
var (
	// ErrClosed means that the partition was closed; its owner may have moved.
	ErrClosed = errors.New("partition is closed")
	// ErrQuarantined means that the partition's database broke. It wraps the reason; [Store.Drop] and a restore mend it.
	ErrQuarantined = errors.New("partition is quarantined")
	// ErrDiskFull means that the disk has no room for the next write.
	ErrDiskFull = errors.New("disk is full")
	// ErrBackwards means that a position would go back, which only a bug can ask for.
	ErrBackwards = errors.New("position goes back")
)
