//go:build cgo

package main

// pebbleApart says whether Pebble's blocks and write buffers are beside Go's heap, or part of it.
const pebbleApart = true
