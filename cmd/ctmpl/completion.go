package main

import (
	"fmt"
	"io"
	"strings"
)

// completion is the command that prints what a shell needs to complete the command
// line.
func (m *Main) completion(args []string) int {
	shells := map[string]func(io.Writer){"bash": bashCompletion, "zsh": zshCompletion, "fish": fishCompletion}
	if len(args) == 1 && shells[args[0]] != nil {
		shells[args[0]](m.Stdout)
		return exitOK
	}
	return m.fail(exitFlags, fmt.Errorf("completion: want the name of a shell: bash, zsh or fish"))
}

// values are the words that a flag's value can be.
func (o *option) values() []string {
	switch {
	case o.arg == "LEVEL":
		return []string{"trace", "debug", "info", "warn", "err"}
	case o.arg == "FORMAT":
		return []string{"text", "json"}
	case o.arg == "PROGRAM" || o.arg == "SYNTAX":
		return []string{"nginx"}
	case o.arg == "SIGNAL":
		return []string{"SIGHUP", "SIGINT", "SIGQUIT", "SIGTERM", "SIGUSR1", "SIGUSR2", "SIGWINCH"}
	}
	return nil
}

// isPath tells whether a flag's value is a file or a directory.
func (o *option) isPath() bool {
	switch o.arg {
	case "PATH", "FILE", "DIR", "SRC:DEST:CMD":
		return true
	}
	return false
}

// eachOption calls f for all flags, in the order of the help text.
func eachOption(f func(option)) {
	for _, group := range options {
		for _, o := range group.list {
			f(o)
		}
	}
}

func bashCompletion(w io.Writer) {
	var names, files, cases []string
	eachOption(func(o option) {
		names = append(names, "-"+o.name)
		if o.isPath() && o.name != "template" { // after which more comes
			files = append(files, "-"+o.name)
		}
		if words := o.values(); words != nil {
			cases = append(cases, fmt.Sprintf("    -%s) COMPREPLY=($(compgen -W %q -- \"$cur\")); return ;;", o.name, strings.Join(words, " ")))
		}
	})
	fmt.Fprintf(w, `# Completion of ctmpl in bash: ctmpl completion bash > /etc/bash_completion.d/ctmpl
_ctmpl() {
  local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]}
  if [[ $cur == --* ]]; then cur=${cur#-}; fi
  COMPREPLY=()
  case ${prev/#--/-} in
    -template) compopt -o nospace; COMPREPLY=($(compgen -f -- "$cur")); return ;;
    %s) COMPREPLY=($(compgen -f -- "$cur")); return ;;
%s
  esac
  if [[ ${COMP_WORDS[1]} == completion ]]; then
    COMPREPLY=($(compgen -W "bash zsh fish" -- "$cur")); return
  fi
  local words=%q
  if ((COMP_CWORD == 1)); then words="%s $words"; fi
  COMPREPLY=($(compgen -W "$words" -- "$cur"))
}
complete -o filenames -F _ctmpl ctmpl
`, strings.Join(files, "|"), strings.Join(cases, "\n"), strings.Join(names, " "), commandNames())
}

// commandNames are the names of the commands, for a shell.
func commandNames() string {
	var names []string
	for _, c := range commands() {
		names = append(names, c.name)
	}
	return strings.Join(names, " ")
}

func zshCompletion(w io.Writer) {
	quote := strings.NewReplacer("'", `'\''`, "[", `\[`, "]", `\]`, ":", `\:`)
	fmt.Fprint(w, "#compdef ctmpl\n# Completion of ctmpl in zsh: ctmpl completion zsh > \"${fpath[1]}/_ctmpl\"\n_arguments \\\n")
	eachOption(func(o option) {
		action := ""
		switch words := o.values(); {
		case words != nil:
			action = ":" + o.arg + ":(" + strings.Join(words, " ") + ")"
		case o.isPath():
			action = ":" + quote.Replace(o.arg) + ":_files"
		case o.arg != "":
			action = ":" + quote.Replace(o.arg) + ":"
		}
		fmt.Fprintf(w, "  '*-%s[%s]%s' \\\n", o.name, quote.Replace(o.help), action)
	})
	fmt.Fprintf(w, "  '1:command:(%s)' \\\n  '2:shell:(bash zsh fish)'\n", commandNames())
}

func fishCompletion(w io.Writer) {
	quote := strings.NewReplacer(`\`, `\\`, "'", `\'`)
	fmt.Fprint(w, `# Completion of ctmpl in fish: ctmpl completion fish > ~/.config/fish/completions/ctmpl.fish
complete -c ctmpl -n '__fish_seen_subcommand_from completion' -f -a 'bash zsh fish'
`)
	for _, c := range commands() {
		fmt.Fprintf(w, "complete -c ctmpl -n __fish_use_subcommand -f -a %s -d '%s'\n", c.name, quote.Replace(c.help))
	}
	eachOption(func(o option) {
		more := ""
		switch words := o.values(); {
		case words != nil:
			more = " -x -a '" + strings.Join(words, " ") + "'"
		case o.isPath():
			more = " -r -F"
		case o.arg != "":
			more = " -x"
		}
		fmt.Fprintf(w, "complete -c ctmpl -o %s -d '%s'%s\n", o.name, quote.Replace(o.help), more)
	})
}
