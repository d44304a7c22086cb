// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

// Command lexicongen packs word lists into lexicon.bin, which the lexicon package
// embeds. It is run by hand when a list changes:
//
//	go run ./test/lexicongen -in DIR -lists internal/mask/scan/lexicon/lists -out internal/mask/scan/lexicon/lexicon.bin
//
// DIR holds the lists that are not ours; README.md of the lexicon says where
// each comes from and under which licence. A list is a text of words or, in the
// lists named in lines, of one entry a line. The packed form is a deflated
// sequence of entries in byte order, each
//
//	shared  byte: length of the prefix shared with the entry before
//	classes uint16, little endian
//	length  byte of the rest
//	rest    bytes
package main

import (
	"bytes"
	"compress/flate"
	"encoding/binary"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/sallyport-dev/sallyport/internal/mask/scan/lexicon"
)

// source is a list: a file, what its entries are, and whether an entry is a
// whole line.
type source struct {
	file  string
	class lexicon.Class
	lines bool
}

// foreign are the lists in DIR, own those that are kept beside the package.
var (
	foreign = []source{
		{"english.txt", lexicon.Common, true},
		{"basic.txt", lexicon.Basic, true},
		{"medical-terms.txt", lexicon.Medical, true},
		{"surnames.txt", lexicon.Surname, true},
		{"first-names.txt", lexicon.First, true},
		{"frequent-surnames.txt", lexicon.Surname | lexicon.Frequent, true},
		{"frequent-first-names.txt", lexicon.First | lexicon.Frequent, true},
		{"places.txt", lexicon.Place, true},
	}
	own = []source{
		{"titles.txt", lexicon.Title, false},
		{"particles.txt", lexicon.Particle, false},
		{"cues.txt", lexicon.Cue, false},
		{"org.txt", lexicon.Org, false},
		{"nations.txt", lexicon.Nation, false},
		{"occupations.txt", lexicon.Occupation, false},
		{"weekdays.txt", lexicon.Weekday, false},
		{"eponyms.txt", lexicon.Eponymous, false},
		{"safe.txt", lexicon.Basic, false},
		{"medical.txt", lexicon.Medical, false},
		{"places.txt", lexicon.Place | lexicon.Frequent, true},
		{"frequent.txt", lexicon.First | lexicon.Surname | lexicon.Frequent, false},
	}
)

func main() {
	in := flag.String("in", "", "directory of the lists that are not ours")
	lists := flag.String("lists", "", "directory of our lists")
	out := flag.String("out", "", "file to write")
	flag.Parse()
	if err := run(*in, *lists, *out); err != nil {
		fmt.Fprintln(os.Stderr, "lexicongen:", err)
		os.Exit(1)
	}
}

func run(in, lists, out string) error {
	entries := map[string]lexicon.Class{}
	if err := read(entries, os.DirFS(in), foreign); err != nil {
		return err
	}
	if err := read(entries, os.DirFS(lists), own); err != nil {
		return err
	}
	packed, err := pack(entries)
	if err != nil {
		return err
	}
	fmt.Printf("%d entries, %d bytes\n", len(entries), len(packed))
	return os.WriteFile(filepath.Clean(out), packed, 0o644)
}

// read adds the entries of the sources, folded, to their classes.
func read(entries map[string]lexicon.Class, dir fs.FS, sources []source) error {
	for _, s := range sources {
		text, err := fs.ReadFile(dir, s.file)
		if err != nil {
			return err
		}
		split := strings.Fields
		if s.lines {
			split = func(t string) []string { return strings.Split(t, "\n") }
		}
		for _, e := range split(string(text)) {
			words := lexicon.Words(e)
			if s.class&lexicon.Place != 0 && len(words) > 1 {
				entries[words[0]] |= lexicon.PlaceHead
			}
			if e = strings.Join(words, " "); e != "" && len(e) < 64 {
				entries[e] |= s.class
			}
		}
	}
	return nil
}

// pack writes the entries in the form that the comment of the command gives.
func pack(entries map[string]lexicon.Class) ([]byte, error) {
	var out bytes.Buffer
	z, err := flate.NewWriter(&out, flate.BestCompression)
	if err != nil {
		return nil, err
	}
	var last string
	var record []byte
	for _, e := range slices.Sorted(maps.Keys(entries)) {
		shared := 0
		for shared < min(len(e), len(last)) && e[shared] == last[shared] {
			shared++
		}
		record = append(record[:0], byte(shared))
		record = binary.LittleEndian.AppendUint16(record, uint16(entries[e]))
		record = append(record, byte(len(e)-shared))
		record = append(record, e[shared:]...)
		if _, err := z.Write(record); err != nil {
			return nil, errors.Join(err, z.Close())
		}
		last = e
	}
	if err := z.Close(); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}
