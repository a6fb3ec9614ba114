// Package funcs is what templates can call.
//
// What it guarantees:
//
//   - The functions have the names, arguments, results and order of
//     consul-template's, so its templates run unchanged. sprig is there under its
//     prefix, and without it where the name is free.
//   - A function on Consul's data never waits: it gives the last good answer, or an
//     empty one and a note that the answer is missing.
//   - The same data gives the same result: lists are sorted.
//   - An error says which function and what was wrong, in one line, and never
//     holds the value that was wrong: it may be a secret.
//   - What a function for nginx gives is one parameter (or one comment) of nginx's
//     syntax, whatever it is given; what cannot be one is refused, not corrected.
package funcs
