//go:build !cgo

package main

const pebbleApart = false
