package state

import "errors"

// Errors of opening a store.
var (
	// ErrInUse means that another process, or another Store of this one, holds the folder.
	ErrInUse = errors.New("another accrue uses this folder")
	// ErrForeign means that the folder has something of somebody else's that would be taken for a partition's, and deleted.
	ErrForeign = errors.New("the folder is not accrue's: name another one; or, if it is a copy of one, delete what is in it, to have it built again from the ledger")
	// ErrFormat means that the folder was written by a version of accrue that this one does not know.
	ErrFormat = errors.New("unknown format of the state folder; run the accrue that wrote it, or delete the folder to have it built again from the ledger")
)

// errOlder means that an earlier version wrote the partition.
var errOlder = errors.New("older format")

// Errors of using a partition.
var (
	// ErrClosed means that the partition was closed; its owner may have moved.
	ErrClosed = errors.New("partition is closed")
	// ErrQuarantined means that the partition's database broke. It wraps the reason; [Store.Drop] and a restore mend it.
	ErrQuarantined = errors.New("partition is quarantined")
	// ErrRefused means that the operating system does not let a partition be opened or read. Nothing was deleted, and it
	// may be tried again.
	ErrRefused = errors.New("the operating system refuses the partition's folder, which is left as it is; see to what it says (permissions, open files, the disk, another process)")
	// ErrDiskFull means that the disk has no room for the next write.
	ErrDiskFull = errors.New("disk is full")
	// ErrBackwards means that a position would go back, which only a bug can ask for.
	ErrBackwards = errors.New("position goes back")
)
