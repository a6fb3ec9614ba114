// Package installed knows where the programs are that the tests, the demo and
// the benchmarks start: consul, consul-template, staticcheck, benchstat and nginx.
//
// What it guarantees:
//
//   - It only looks and never builds or installs: that is the job of
//     internal/tools/install.
//   - The version of a Go program is the one that its tool module pins
//     (internal/tools/NAME/go.mod), and is written nowhere else.
//   - The error for a program that is not there says which command makes it
//     available.
//   - It imports the standard library only, so that the installer runs before
//     any module has been downloaded.
package installed
