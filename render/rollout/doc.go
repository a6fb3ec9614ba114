// Package rollout puts rendered files in place and runs the command that makes
// them take effect.
//
// What it guarantees:
//
//   - A reader of a destination sees the old file or the new one, never a part:
//     the new one is written beside it, synced and renamed. Only where a rename is
//     impossible, as on a bind mount, it is written in place, and that is said.
//   - Mode and owner of the file are kept, or are what was asked for. A symbolic
//     link is followed, and stays.
//   - What is equal already is not written, and no command runs for it.
//   - A command runs once for all files that changed and share it, after all files
//     are written. It is ended, with its children, when it takes too long.
//   - A command that failed is owed: it runs again, though no file has changed,
//     until it succeeds.
package rollout
