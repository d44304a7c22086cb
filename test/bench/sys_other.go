// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

//go:build !linux

package main

import (
	"errors"
	"syscall"
	"time"
)

// errLinux says why nothing is measured elsewhere: the CPU of another process and
// its peak memory are read from Linux's /proc.
var errLinux = errors.New("the benchmark runs on Linux only")

func dieWithParent(*syscall.SysProcAttr) {}

func cpuOf(int) (time.Duration, error) { return 0, errLinux }

func resetPeak(int) error { return errLinux }

func peakRSS(int) (int64, error) { return 0, errLinux }

func fileSystem(string) string { return "unknown" }

// threadCPU is not known here.
func threadCPU() (time.Duration, error) { return 0, errLinux }
