// Package watch keeps the latest answers of Consul (or of a source that takes
// its place) and knows how to ask for them.
//
// What it guarantees:
//
//   - A Query is a comparable value: two templates that ask the same thing
//     share one query, one connection and one answer.
//   - The Store holds the last good answer of each query. An answer that is
//     equal to the one before is no change and wakes nobody. Of a list that changed, the
//     elements that are equal to those before are the very same, wherever they stand now:
//     who has made something of one can tell by its address that it is good still. No
//     value is changed once it was given out, and an answer that was taken out of the
//     Store tells whether it is the last one still.
//   - The Scheduler asks for every wanted query over a bounded number of
//     connections, however many queries there are. While they fit, each waits for
//     changes all the time. Beyond that a query is asked when the source's Sentinel notices
//     that its answer may have changed, and waits for changes itself for a while after one;
//     without a Sentinel they take turns within some ten seconds. A new query goes first.
//     It never asks the same query twice at once.
//   - A Sentinel is not trusted blindly: each query is asked now and then, and one change
//     that was not noticed has all of them take turns.
//   - No query is asked in a loop without a pause, whatever the source answers.
//   - A failed query keeps its last good answer, backs off with full jitter and
//     starts again from index 0. The more queries fail, the longer the waits, and when one
//     works again that had failed for the same reason, the others follow soon.
//   - A source that cannot be reached is probed by one query at a time, and when it answers
//     again all of them follow one after the other, within ten seconds at the most.
//   - A query for which a Budgeted source took no connection has not failed.
//   - What speaks against an answer is in the Store with it, and never later than the
//     answer: what the source says of it, and for two minutes that Consul's state began
//     anew, which one answer with an index lower than before shows for all. A change of
//     it wakes the reader, and is no change of the answer.
//   - A change tells whether an instance left, since that is urgent.
//   - Failures are reported when the state changes, not once per attempt.
//   - The number of goroutines is bounded by the number of connections, and all
//     of them have ended when Run returns.
package watch
