// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

// Command evalphi measures how well the scanner finds identifiers in labelled
// text:
//
//	go run ./test/evalphi -data FILE [-names off,listed,safe-list] [-misses] [-resample SEED]
//
// FILE is a JSON array of {full_text, spans: [{entity_type, start_position,
// end_position}]} with positions in code points, as presidio-research writes it.
// Without one it measures on the sentences in testdata, which are few and our
// own, and says so.
//
// It prints JSON lines, then a table, and always the definitions that the
// figures rest on. It also counts the findings in lines that hold no identifier.
// It exits with 0 whatever the figures are; the last line says whether the
// targets are met.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/sallyport-dev/sallyport/internal/mask/scan"
	"github.com/sallyport-dev/sallyport/internal/mask/scan/lexicon"
)

const (
	defaultData = "../shared/data/phi/presidio-research/dev.json"
	ownData     = "test/evalphi/testdata/own.json"
	negatives   = "internal/mask/scan/testdata/hard-negatives.txt"
)

const definitions = `A labelled span is found when at least 90 % of its bytes that are no space are covered by findings; recall counts
findings of any entity (the value would be masked), typed_recall those of the span's own. A finding is right when at least 90 % of its
bytes that are no space lie in labelled spans: of any type for precision, of its own for typed_precision.`

func main() {
	data := flag.String("data", defaultData, "labelled sentences")
	names := flag.String("names", "off,listed,safe-list", "modes of looking for names")
	misses := flag.Bool("misses", false, "print what was missed and what was found wrongly; only for synthetic data")
	hard := flag.String("hard-negatives", negatives, "lines without identifiers")
	seed := flag.Uint64("resample", 0, "exchange the values of labelled spans at random by this seed; 0 does not")
	flag.Parse()
	given := false
	flag.Visit(func(f *flag.Flag) { given = given || f.Name == "data" })
	s := settings{data: *data, given: given, hard: *hard, names: strings.Split(*names, ","), misses: *misses, seed: *seed}
	if err := run(os.Stdout, s); err != nil {
		fmt.Fprintln(os.Stderr, "evalphi:", err)
		os.Exit(1)
	}
}

// settings are what the flags say.
type settings struct {
	data, hard string
	given      bool // data was named, so nothing else will do
	names      []string
	misses     bool
	seed       uint64
}

func run(w io.Writer, o settings) error {
	if _, err := os.Stat(o.data); err != nil && !o.given {
		fmt.Fprintf(os.Stderr, "evalphi: NO DATA at %s: measuring on the few sentences of our own instead; these figures compare with nothing\n", o.data)
		o.data = ownData
	}
	cases, err := readCases(o.data)
	if err != nil {
		return err
	}
	if o.seed != 0 {
		cases = resample(cases, o.seed)
	}
	lines, err := readLines(o.hard)
	if err != nil {
		return err
	}
	l, err := lexicon.Load()
	if err != nil {
		return err
	}
	fmt.Fprintf(w, "%s\nData: %s, %d sentences.\n", definitions, o.data, len(cases))
	out := json.NewEncoder(w)
	var scores []score
	for _, name := range o.names {
		mode, ok := modes[name]
		if !ok {
			return fmt.Errorf("no mode %q: use off, listed or safe-list", name)
		}
		s, err := scan.New(scan.Options{Names: mode, Lexicon: l})
		if err != nil {
			return err
		}
		t := newTally(s, w, o.misses)
		for _, c := range cases {
			t.add(c)
		}
		for _, line := range t.scores(name) {
			scores = append(scores, line)
			if err := out.Encode(line); err != nil {
				return err
			}
		}
		if err := writeNegatives(w, s, name, lines); err != nil {
			return err
		}
	}
	writeTable(w, scores)
	return out.Encode(judge(scores))
}

// modes are the modes of looking for names, as the flag names them.
var modes = map[string]scan.NameMode{
	"off":       scan.NamesOff,
	"listed":    scan.NamesListed,
	"safe-list": scan.NamesUnlisted,
}
