// Package servers starts real servers for the tests, the demo and the
// benchmarks: Consul (an agent or a cluster), nginx, backends, and a load that
// counts who answered.
//
// What it guarantees:
//
//   - Everything listens on loopback addresses, on ports that no other process
//     using this package has, and keeps its files in one directory.
//   - A Start function returns when the server answers, or with an error that
//     holds the end of the server's log. Its context bounds the start, not the
//     life of the server.
//   - Stop ends exactly the process that was started, with its process group. A
//     second Stop does nothing.
//   - When the program that uses this package dies, however it dies, its servers
//     die too (on Linux).
//   - A missing program is an error that says what to run; no test is skipped.
//
// The Start functions return errors and know nothing of tests. The Run functions
// are for tests: they fail the test, stop the server at its end, and show the
// server's log when the test has failed.
package servers
