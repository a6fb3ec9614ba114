package funcs

import (
	"context"
	"fmt"
	"io/fs"
	"text/template"
)

// Execution is what functions need of the execution that calls them. Functions are
// bound to a template once; its Execution is set anew for each execution.
type Execution struct {
	Reader
	// Context ends the execution: what takes time gives up then.
	Context context.Context
	// Execute runs a template that is defined in the same file, and gives its output.
	Execute func(name string, dot any) (string, error)
	// Write takes a file that is to be written if the execution succeeds.
	Write func(FileWrite) error
	// Waiting tells whether an answer is missing, so that the output will not count;
	// nil for no.
	Waiting func() bool
	// Note takes what is wrong with what was answered, and does not keep the template from
	// going on; nil when nobody wants to know. It is for log and status: see Result.Notes.
	Note func(string)
	// Trial says that the execution is to leave no trace: nothing is run or printed.
	Trial bool
	// Versioned says that the execution has used configVersion.
	Versioned bool

	scratch Scratch
}

// waits tells whether an answer is missing.
func (x *Execution) waits() bool { return x.Waiting != nil && x.Waiting() }

func (x *Execution) note(text string) {
	if x.Note != nil {
		x.Note(text)
	}
}

// VersionPlaceholder is what configVersion gives while the template is executed:
// the version is known at its end alone. It is always the same, or what a template
// makes of it would change with each start, and it fits wherever a name does.
const VersionPlaceholder = "ctmpl-version-5d0c9be1f7a34e6c82b19d4fa7063e58"

// configVersion gives what stands for the version of the output.
func configVersion(x *Execution) func() string {
	return func() string {
		x.Versioned = true
		return VersionPlaceholder
	}
}

// FileWrite is what writeToFile wants of a file.
type FileWrite struct {
	Path    string
	Content string
	// Append puts the content behind what is there.
	Append bool
	Mode   fs.FileMode
	// UID and GID are the owner; -1 keeps that of the file which is there.
	UID, GID int
	// Within is the directory that the file must not lie outside of, whatever
	// symbolic links there are; anywhere when empty.
	Within string
}

// executionFuncs are the functions that depend on the execution, or have an effect
// beyond it. env goes before the environment of the process.
func executionFuncs(x *Execution, env []string, sandbox string) template.FuncMap {
	return template.FuncMap{
		"scratch":         func() *Scratch { return &x.scratch },
		"configVersion":   configVersion(x),
		"executeTemplate": executeTemplate(x),
		"plugin":          plugin(x, env),
		"writeToFile":     writeToFile(x, sandbox),
		"spew_dump":       unlessTrial1(x, spewDump),
		"spew_printf":     unlessTrial2(x, spewPrintf),
	}
}

// executeTemplate gives the output of a template that is defined in the same file.
// The second argument is its dot, which is nil without one.
func executeTemplate(x *Execution) func(string, ...any) (string, error) {
	return func(name string, dot ...any) (string, error) {
		switch len(dot) {
		case 0:
			return x.Execute(name, nil)
		case 1:
			return x.Execute(name, dot[0])
		}
		return "", fmt.Errorf("executeTemplate: want 1 or 2 arguments, got %d", len(dot)+1)
	}
}

// unlessTrial1 and unlessTrial2 keep functions that print from doing so in a trial.
func unlessTrial1(x *Execution, print func(...any) string) func(...any) string {
	return func(values ...any) string {
		if x.Trial {
			return ""
		}
		return print(values...)
	}
}

func unlessTrial2(x *Execution, print func(string, ...any) string) func(string, ...any) string {
	return func(format string, values ...any) string {
		if x.Trial {
			return ""
		}
		return print(format, values...)
	}
}
