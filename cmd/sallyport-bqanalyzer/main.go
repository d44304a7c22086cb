// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

// Sallyport-bqanalyzer finds out where the columns of GoogleSQL statements come
// from. It reads requests on its standard input and writes answers on its standard
// output, in the form of internal/wire/bqanalyzer, until the input ends. The
// gateway starts it; it opens nothing.
//
// It resolves each statement with Google's own analyser against the tables of the
// request, and follows every output to the columns from which it can derive. The
// nodes that it follows are a closed list: a statement with any other is answered
// as unknown.
//
// Its standard error holds fixed sentences only. When the engine itself breaks,
// which could leave it in any state, the process ends and its owner starts a new
// one.
package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"

	"github.com/sallyport-dev/sallyport/internal/wire/bqanalyzer"
)

// collectEvery is after how many requests the memory of the engine is given back.
const collectEvery = 32

// The exit statuses.
const (
	exitEngine  = 3 // the engine broke
	exitMessage = 4 // a message could not be read or written
)

func main() { os.Exit(run(os.Stdin, os.Stdout, os.Stderr)) }

func run(in io.Reader, out, diagnostics io.Writer) (status int) {
	defer func() {
		if recover() != nil { // what it says may repeat the text
			fmt.Fprintln(diagnostics, "sallyport-bqanalyzer: the engine broke")
			status = exitEngine
		}
	}()
	e, err := newEngine()
	if err != nil {
		fmt.Fprintln(diagnostics, "sallyport-bqanalyzer: the engine does not start")
		return exitEngine
	}
	in = bufio.NewReader(in)
	for served := 1; ; served++ {
		var r bqanalyzer.Request
		switch err := bqanalyzer.Read(in, bqanalyzer.MaxRequest, &r); {
		case errors.Is(err, io.EOF):
			return 0
		case err != nil:
			fmt.Fprintln(diagnostics, "sallyport-bqanalyzer: a request cannot be read")
			return exitMessage
		}
		if err := bqanalyzer.Write(out, bqanalyzer.MaxAnswer, e.answer(&r)); err != nil {
			fmt.Fprintln(diagnostics, "sallyport-bqanalyzer: an answer cannot be written")
			return exitMessage
		}
		// The engine's objects are freed by finalizers, which only a collection runs, and
		// the collector does not see how much they hold.
		if served%collectEvery == 0 {
			runtime.GC()
		}
	}
}
