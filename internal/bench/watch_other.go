//go:build !linux

package main

import "errors"

var errLinux = errors.New("counting connections and refused requests needs Linux")

type refusals struct{}

func countRefusals(int) (*refusals, error) { return nil, errLinux }

func (*refusals) stop() int { return 0 }

func connections(int) (int, error) { return 0, errLinux }
