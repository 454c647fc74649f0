package main

// Process is what the process does.
func Process() int { return process() }
