// Package child runs the program of exec mode (exec { command … }) beside ctmpl,
// which stands in for it: signals go through to it, it is told of changes, and when
// it ends, so does ctmpl.
//
// What it guarantees:
//
//   - The child has standard input, output and error of this process as they are, no
//     pipes, and a process group of its own, so that nothing of it stays behind. Only
//     a command without a shell stays in ours where standard input is a terminal: it
//     could not read from it otherwise.
//   - Signals reach the child alone, or its group where it runs in a shell. That is
//     consul-template's rule: a shell does not pass on what it gets.
//   - A reload is a signal, or a stop and a start. Reloads that are asked for while
//     one is still to come are one.
//   - A child that ends while it is to be stopped or started anew is not taken for
//     the end of the program. One that ends by itself is, with its exit code.
//   - A child that does not end within its time is killed, with all of its group. What
//     outlives the child in its group is ended in the same way: asked first, killed at
//     the end of that time.
//   - A new child starts when nothing of the old one is left.
//   - When its context has ended, or after Stop, no process and no goroutine is left.
//   - Processes that nobody else waits for are reaped where ctmpl is the one to do it,
//     as process 1 of a container; the exit codes of its own are left alone.
package child
