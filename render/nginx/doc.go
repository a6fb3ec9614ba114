// Package nginx checks and reloads nginx, and sees whether a reload has taken.
//
// What it guarantees:
//
//   - nginx is looked for anew each time: its binary, main file, pid file and error
//     log may change, and it may be restarted or upgraded.
//   - A signal goes to a master process of nginx alone: its program and title are
//     looked at first, and whoever takes over its number gets nothing.
//   - Check leaves what is live as it is, byte for byte, and leaves nothing behind:
//     no mount, no thread, no directory.
//   - Files are only said to be bad when nginx -t fails with them and passes without.
//   - Reload returns nil only when all workers from before have stopped to take
//     connections and new ones do, and, where there is a version to ask for, it was
//     answered. nginx -t that passes and a signal that was sent count for nothing.
//   - A reload that nginx refuses is an error at once, with what its log says.
//   - Two configurations with the same Canonical form serve alike.
package nginx
