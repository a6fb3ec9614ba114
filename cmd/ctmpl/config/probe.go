package config

import (
	"cmp"
	"errors"
	"regexp"
	"strings"
	"time"

	"github.com/ctmpl/ctmpl/render/rollout"
)

// probeTimeout is how long a check or a verification may take when nothing is said.
const probeTimeout = 30 * time.Second

// Steps are what a group and a template can say of the steps around writing files.
type Steps struct {
	Check         Probe         `conf:"check"` // of the staged files, before they are live
	CheckTimeout  time.Duration `conf:"check_timeout"`
	Verify        Command       `conf:"verify"` // of what is live, after command or reload
	VerifyTimeout time.Duration `conf:"verify_timeout"`
	Reload        Program       `conf:"reload"`
}

// Checking gives the check of the staged files, whose actions are those of
// rollout.Check, and how long it may take. Without args there is none.
func (s *Steps) Checking() (args []string, timeout time.Duration) {
	return s.Check.args(), cmp.Or(s.CheckTimeout, probeTimeout)
}

// Verifying gives the check of what is live and how long it may take, as Checking does
// but without actions.
func (s *Steps) Verifying() (args []string, timeout time.Duration) {
	return s.Verify, cmp.Or(s.VerifyTimeout, probeTimeout)
}

// Probe is a command that asks whether staged files are good: a program with its arguments, or
// one string for the shell. Each may hold actions that name the files.
type Probe []ProbeText

func (p Probe) args() []string {
	var args []string
	for _, text := range p {
		args = append(args, string(text))
	}
	if noCommand(args) {
		return nil
	}
	return args
}

// ProbeText is a text with actions.
type ProbeText string

// UnmarshalText takes a text whose actions name only what there is.
func (p *ProbeText) UnmarshalText(text []byte) error {
	if err := rollout.ParseCheck(string(text)); err != nil {
		return explainProbe(err)
	}
	*p = ProbeText(text)
	return nil
}

var (
	probeLine  = regexp.MustCompile(`^template: \w*:(\d+)(:\d+)?: (executing "\w*" at )?`)
	probeField = regexp.MustCompile(`(?:can't evaluate field |map has no entry for key ")(\w+)`)
)

// explainProbe says what is wrong with a text in the words of the configuration.
func explainProbe(err error) error {
	text, at := err.Error(), ""
	if m := probeLine.FindStringSubmatch(text); m != nil {
		if text = text[len(m[0]):]; m[1] != "1" {
			at = "in its line " + m[1] + ": "
		}
	}
	if m := probeField.FindStringSubmatch(text); m != nil {
		text = "there is no ." + m[1]
	}
	text = strings.ReplaceAll(text, "\n", " ")
	return errors.New("cannot read its actions: " + at + text + ": known are {{ .Staged }}, {{ .Destination }} and {{ range .Files }}")
}
