// Package render executes templates on the answers of Consul and hands what
// changed to rollout.
//
// What it guarantees:
//
//   - A template runs when an answer that it read has changed, or when the last of
//     its missing answers has arrived; never for a change that it did not read.
//   - What a template reads is found out by running it, so what it asks for may
//     depend on answers, in as many steps as it takes.
//   - Nothing is written before the output is complete: as long as one answer is
//     missing the destination stays as it is.
//   - The same answers give the same bytes.
//   - An execution costs what has changed: what the body of a loop has given is taken
//     over while all that it depends on is the same. That makes no difference to output,
//     errors or bounds. Of each long loop within a long one the output is kept once.
//   - A template with an error stops no other one, and its last good output stays.
//   - Errors name file, line, column and the offending line, and hold no value
//     that came from the KV store or from a file.
//   - With the format of nginx no value changes the structure of the output: one
//     that could fails the execution, and the error names the service or key.
//   - The engine is one goroutine, and owns the state of all templates. It waits
//     for the rollouts that it has started.
package render
