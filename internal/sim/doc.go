// Package sim is the whole engine in memory: accounts, the clock, ticks and what one account causes in another,
// without Kafka and without disk. `accrue simulate` is made of it, and tests use it as the world to compare with.
//
// An [Engine] decides events one after the other, in the order of its calls, as one partition would. Who wants to
// know each decision passes Config.Decided.
//
// It keeps everything in memory, about 2 KB an account and 300 bytes an order.
package sim
