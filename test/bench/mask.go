// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"runtime/pprof"
	"slices"
	"time"

	domain "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/internal/mask"
	"github.com/sallyport-dev/sallyport/internal/mask/fhir"
	"github.com/sallyport-dev/sallyport/internal/mask/hl7"
	"github.com/sallyport-dev/sallyport/internal/mask/rules"
	"github.com/sallyport-dev/sallyport/internal/mask/scan"
	"github.com/sallyport-dev/sallyport/internal/mask/scan/lexicon"
	"github.com/sallyport-dev/sallyport/internal/mask/text"
	"github.com/sallyport-dev/sallyport/test/phigen"
)

// The targets of the masks, in MB of input per CPU-second of one core.
const (
	targetClean = 1000
	targetDense = 500
	targetFHIR  = 500
	targetHL7   = 700
	targetRows  = 1000
)

// sharedPHI holds the evaluation data, beside the checkout.
const sharedPHI = "../shared/data/phi"

// maskSubject is one thing to measure: run works once through a corpus.
type maskSubject struct {
	subject, corpus string
	target          float64 // 0: none
	bytes           int     // of one run
	rows            int     // values, rows or documents of one run
	cells           [][]byte
	run             func() error
	expressions     bool // compare with regular expressions too
}

// maskLine is a line of the report. Rates are MB (10^6 bytes) of input per
// second of this thread's CPU time.
type maskLine struct {
	Bench     string  `json:"bench"`
	Subject   string  `json:"subject"`
	Corpus    string  `json:"corpus"`
	Rate      float64 `json:"mb_per_cpu_s"`
	Ratio     float64 `json:"ratio"` // to the peer, in the same run
	Peer      string  `json:"peer"`
	Regexp    float64 `json:"regexp_mb_per_cpu_s,omitempty"`
	OverRegex float64 `json:"ratio_to_regexp,omitempty"`
	Allocs    float64 `json:"allocs_per_row"`
	Target    float64 `json:"target,omitempty"`
	Met       *bool   `json:"met,omitempty"`
}

// benchMask measures the masks on one core.
func benchMask(args []string, out, diag io.Writer) error {
	fs := flag.NewFlagSet("bench mask", flag.ContinueOnError)
	fs.SetOutput(diag)
	passes := fs.Int("passes", 5, "passes; medians over them are printed")
	data := fs.String("data", sharedPHI, "directory with fhir-r4-examples and hl7v2")
	slow := fs.Bool("regexp", true, "measure regular expressions with the same patterns too")
	only := fs.String("only", "", "the one subject to measure; all when empty")
	profile := fs.String("cpuprofile", "", "file to write a CPU profile to")
	if err := fs.Parse(args); err != nil {
		return err
	}
	runtime.GOMAXPROCS(1)
	if *profile != "" {
		f, err := os.Create(*profile)
		if err != nil {
			return err
		}
		if err := pprof.StartCPUProfile(f); err != nil {
			return errors.Join(err, f.Close())
		}
		defer func() {
			pprof.StopCPUProfile()
			_ = f.Close()
		}()
	}
	subjects, err := maskSubjects(*data, diag)
	if err != nil {
		return err
	}
	enc := json.NewEncoder(out)
	all := true
	for _, s := range subjects {
		if *only != "" && s.subject != *only {
			continue
		}
		line, err := measureMask(s, *passes, *slow)
		if err != nil {
			return fmt.Errorf("%s on %s: %w", s.subject, s.corpus, err)
		}
		all = all && (line.Met == nil || *line.Met)
		if err := enc.Encode(line); err != nil {
			return err
		}
	}
	return enc.Encode(map[string]any{"bench": "mask", "targets": "MB per CPU-second", "met": all})
}

// measureMask interleaves a subject's passes with its peers', so that all of them
// meet the same machine.
func measureMask(s maskSubject, passes int, slow bool) (maskLine, error) {
	var rates, ratios []float64
	var dst []byte
	copyCells := func() error {
		dst = dst[:0]
		for _, c := range s.cells {
			dst = append(dst, c...)
		}
		return nil
	}
	if err := errors.Join(s.run(), copyCells()); err != nil { // warm
		return maskLine{}, err
	}
	for range passes {
		own, err := rateOf(s.bytes, s.run)
		if err != nil {
			return maskLine{}, err
		}
		peer, err := rateOf(s.bytes, copyCells)
		if err != nil {
			return maskLine{}, err
		}
		rates, ratios = append(rates, own), append(ratios, own/peer)
	}
	line := maskLine{Bench: "mask", Subject: s.subject, Corpus: s.corpus, Rate: median(rates), Ratio: median(ratios), Peer: "memcpy", Target: s.target}
	if s.expressions && slow {
		re, err := expressionRate(s.cells)
		if err != nil {
			return line, err
		}
		line.Regexp, line.OverRegex = re, line.Rate/re
	}
	if s.target > 0 {
		met := line.Rate >= s.target
		line.Met = &met
	}
	// What a collection took away is made again before allocations are counted.
	var before, after runtime.MemStats
	runs := leastRows/s.rows + 1
	err := s.run()
	runtime.ReadMemStats(&before)
	err = errors.Join(err, repeat(runs, s.run))
	runtime.ReadMemStats(&after)
	line.Allocs = float64(after.Mallocs-before.Mallocs) / float64(runs*s.rows)
	return line, err
}

// leastRows is over how many rows allocations are counted at least.
const leastRows = 1000

func repeat(n int, run func() error) error {
	for range n {
		if err := run(); err != nil {
			return err
		}
	}
	return nil
}

// leastTime is how long a rate is measured at least.
const leastTime = 150 * time.Millisecond

// leastBytes is how much is done at least between two looks at the clock, which is a
// system call.
const leastBytes = 1 << 20

// rateOf returns MB per CPU-second of this thread.
func rateOf(size int, run func() error) (float64, error) {
	runtime.GC()
	begin, err := threadCPU()
	if err != nil {
		return 0, err
	}
	runs := max(1, leastBytes/size)
	for n := runs; ; n += runs {
		if err := repeat(runs, run); err != nil {
			return 0, err
		}
		now, err := threadCPU()
		if err != nil {
			return 0, err
		}
		if spent := now - begin; spent >= leastTime {
			return float64(size) * float64(n) / 1e6 / spent.Seconds(), nil
		}
	}
}

func median(v []float64) float64 {
	v = slices.Sorted(slices.Values(v))
	return v[len(v)/2]
}

// maskRules compiles rules for a profile and a way of looking for names.
func maskRules(profile, names string) (*rules.Set, error) {
	f := rules.Default()
	f.Profile, f.Names = profile, names
	return rules.Compile(f, rules.Deps{Lexicon: lexicon.Load, Now: time.Now})
}

func maskSubjects(data string, diag io.Writer) ([]maskSubject, error) {
	plain, err := maskRules("safe-harbor", "off")
	if err != nil {
		return nil, err
	}
	names, err := maskRules("safe-harbor", "safe-list")
	if err != nil {
		return nil, err
	}
	clean, dense := phigen.CleanColumns(100_000), phigen.DenseColumns(100_000)
	note := [][]byte{phigen.DenseText(4 << 20)}
	subjects := []maskSubject{
		scanSubject("clean-columns", clean, plain, targetClean),
		scanSubject("phi-columns", dense, plain, 0),
		scanSubject("phi-text", note, plain, targetDense),
		maskSubjectOf("masker", "clean-columns", clean, plain),
		maskSubjectOf("masker", "phi-columns", dense, plain),
		maskSubjectOf("masker", "phi-text", note, plain),
		maskSubjectOf("masker-names", "clean-columns", clean, names),
		maskSubjectOf("masker-names", "phi-text", note, names),
		rowSubject(plain, false), rowSubject(plain, true),
	}
	docs, err := readCorpus(filepath.Join(data, "fhir-r4-examples"), "internal/mask/fhir/testdata", ".json", diag)
	if err != nil {
		return nil, err
	}
	f, err := fhir.Compile(plain.Text(), fhir.Options{})
	if err != nil {
		return nil, err
	}
	messages, err := readCorpus(filepath.Join(data, "hl7v2"), "internal/mask/hl7/testdata", ".hl7", diag)
	if err != nil {
		return nil, err
	}
	h, err := hl7.Compile(plain.Text(), hl7.Options{})
	if err != nil {
		return nil, err
	}
	return append(subjects, formatSubject("fhir", docs, f, targetFHIR), formatSubject("hl7", messages, h, targetHL7)), nil
}

// readCorpus reads the files of the evaluation data, or the project's own where it
// is absent.
func readCorpus(dir, own, ext string, diag io.Writer) ([][]byte, error) {
	read := func(dir string) ([][]byte, error) {
		files, err := filepath.Glob(filepath.Join(dir, "*"+ext))
		if err != nil {
			return nil, err
		}
		var out [][]byte
		for _, f := range files {
			b, err := os.ReadFile(f)
			if err != nil {
				return nil, err
			}
			if filepath.Base(f) != "package.json" {
				out = append(out, b)
			}
		}
		return out, nil
	}
	out, err := read(dir)
	if err == nil && len(out) == 0 {
		fmt.Fprintf(diag, "bench: %s is absent; measuring the project's own %s\n", dir, own)
		out, err = read(own)
	}
	if err == nil && len(out) == 0 {
		err = fmt.Errorf("there is nothing in %s", own)
	}
	return out, err
}

func size(cells [][]byte) int {
	n := 0
	for _, c := range cells {
		n += len(c)
	}
	return n
}

// scanSubject finds what is in each cell, as the expressions do.
func scanSubject(corpus string, cells [][]byte, set *rules.Set, target float64) maskSubject {
	var found []scan.Span
	s := set.Text().Scanner
	return maskSubject{
		subject: "scanner", corpus: corpus, target: target, bytes: size(cells), rows: len(cells), cells: cells, expressions: true,
		run: func() error {
			for _, c := range cells {
				found = s.Scan(found[:0], c, nil)
			}
			return nil
		},
	}
}

// maskSubjectOf masks each cell by itself, into memory that is used again.
func maskSubjectOf(subject, corpus string, cells [][]byte, set *rules.Set) maskSubject {
	var w text.Work
	var dst []byte
	m := set.Text()
	return maskSubject{
		subject: subject, corpus: corpus, bytes: size(cells), rows: len(cells), cells: cells,
		run: func() error {
			for _, c := range cells {
				dst = m.Append(dst[:0], c, &w)
			}
			return nil
		},
	}
}

// format masks whole documents.
type format interface {
	Append(dst, src []byte, w *text.Work) ([]byte, error)
}

func formatSubject(name string, docs [][]byte, f format, target float64) maskSubject {
	var w text.Work
	var dst []byte
	return maskSubject{
		subject: name, corpus: "examples", target: target, bytes: size(docs), rows: len(docs), cells: docs,
		run: func() error {
			for _, d := range docs {
				out, err := f.Append(dst[:0], d, &w)
				if err != nil {
					return err
				}
				dst = out
			}
			return nil
		},
	}
}

// rowSubject masks three of ten columns of rows by their labels; scanned says that
// the note is scanned instead of being masked whole.
func rowSubject(set *rules.Set, scanned bool) maskSubject {
	values := []string{
		"10492", "MRN0010492", "Testperson", "Synthetic", "1974-12-25", "987-65-4320", "12 Example Street, Springfield",
		"555-0100", "patient@example.org", "no known allergies, follow-up in two weeks",
	}
	labels := map[int]domain.Label{1: "phi.mrn", 5: "phi.ssn", 9: "phi.note"}
	const text = 25 // the OID of type text
	cols := make([]mask.PGColumn, len(values))
	for i := range cols {
		cols[i] = mask.PGColumn{TypeOID: text, Typmod: -1}
		if l, ok := labels[i]; ok {
			m := domain.Mask{Output: i, Labels: []domain.Label{l}, Reason: "label", Scan: scanned && i == 9}
			cols[i] = set.Column(cols[i], domain.Output{Direct: true, Sources: []domain.Column{{Labels: m.Labels}}}, &m)
		}
	}
	var run []byte
	rows := 0
	for ; len(run) < 1<<20; rows++ {
		body := binary.BigEndian.AppendUint16(nil, uint16(len(values)))
		for _, v := range values {
			body = append(binary.BigEndian.AppendUint32(body, uint32(len(v))), v...)
		}
		run = append(binary.BigEndian.AppendUint32(append(run, 'D'), uint32(len(body)+4)), body...)
	}
	subject := "datarow"
	if scanned {
		subject = "datarow-scanned"
	}
	plan := mask.NewPGPlan(cols, "bench")
	var buf mask.Buffer
	target := float64(targetRows)
	if scanned {
		target = 0
	}
	return maskSubject{
		subject: subject, corpus: "rows", target: target, bytes: len(run), rows: rows, cells: [][]byte{run},
		run: func() error {
			if err := buf.Rows(plan, mask.FromUpstream(run)); err != nil {
				return err
			}
			buf.Reuse(buf.Take())
			return nil
		},
	}
}

// expressions are what the scanner looks for with digits, "@" and ":", as somebody
// would write it for package regexp.
func expressions() []*regexp.Regexp {
	var out []*regexp.Regexp
	for _, s := range []string{
		`\b\d{3}-\d{2}-\d{4}\b`,
		`(\+\d{1,3}[ .-]?)?\(?\d{3}\)?[ .-]\d{3}[ .-]\d{4}\b`,
		`[A-Za-z0-9._%+-]{1,64}@[A-Za-z0-9.-]{1,190}\.[A-Za-z]{2,24}`,
		`\b(https?|ftp)://[^\s"<>]+|\bwww\.[^\s"<>]+`,
		`\b(\d{1,3}\.){3}\d{1,3}\b`,
		`\b\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}(:\d{2})?)?\b`,
		`\b\d{1,2}/\d{1,2}/\d{2,4}\b`,
		`\b\d{1,2} (Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)[a-z]* \d{4}\b`,
		`(?i)\b(MRN|medical record)[:# ]*[A-Z0-9-]{5,12}\b`,
		`\b[12]\d{9}\b`,
		`\b[1-9][AC-HJKMNP-RT-Y][AC-HJKMNP-RT-Y0-9]\d[AC-HJKMNP-RT-Y][AC-HJKMNP-RT-Y0-9]\d[AC-HJKMNP-RT-Y]{2}\d{2}\b`,
		`\b[A-Z][A-Z9]\d{7}\b`,
		`\b(?:\d[ -]?){12,18}\d\b`,
		`\b[A-HJ-NPR-Z0-9]{17}\b`,
		`\b[A-Z]{2}\d{2}[A-Z0-9]{11,30}\b`,
		`\b\d{5}-\d{4}\b`,
		`\b\d{1,3}[- ]?(y/o|year[s]?[- ]old)\b`,
		`\b\d{1,6} [A-Z][a-z]+ (St|Street|Ave|Avenue|Rd|Road|Dr|Drive|Ln|Lane|Blvd)\b`,
	} {
		out = append(out, regexp.MustCompile(s))
	}
	return out
}

// expressionSample is how much of a corpus expressions go through, in bytes; all
// of it would take minutes.
const expressionSample = 1 << 20

// expressionRate returns the rate of looking for all expressions in a sample.
func expressionRate(cells [][]byte) (float64, error) {
	n, bytes := 0, 0
	for ; n < len(cells) && (n == 0 || bytes < expressionSample); n++ {
		bytes += len(cells[n])
	}
	all := expressions()
	return rateOf(bytes, func() error {
		for _, re := range all {
			for _, c := range cells[:n] {
				re.FindAllIndex(c, -1)
			}
		}
		return nil
	})
}
