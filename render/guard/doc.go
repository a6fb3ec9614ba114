// Package guard judges what a rollout would make live, beside what is live: whether
// so much would vanish that a person should look at it first.
//
// What it guarantees:
//
//   - It is pure: facts in, reasons out. It keeps no time and touches no file.
//   - Growing is never held, whatever the bounds on instances are. More instances give
//     no reason that fewer did not.
//   - What is not asked for any more has vanished.
//   - A small service that goes away does not hold the others: the bounds of a template
//     are on all of its services together.
//   - A slow drain is a drain: the shrink is measured against the most there was within
//     the window, of each query.
//   - An answer that is doubted holds only where it has become smaller.
//   - The reasons are few lines, the same for the same facts, and hold no character from
//     Consul that a terminal or a log would take amiss.
package guard
