// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package config

import (
	"fmt"

	sallyport "github.com/sallyport-dev/sallyport"
)

// Files says what a resource shows of the files of its target.
type Files struct {
	// Root is the directory that everything lies in.
	Root string `yaml:"root"`
	// Prefixes are the directories and files that are known.
	Prefixes []FilesPrefix `yaml:"prefixes"`
	// Unlisted says what becomes of other paths: "refuse" or "judge", which lets
	// policy decide about them as unclassified.
	Unlisted string `yaml:"unlisted"`
	// MaxFile is the largest file that is written.
	MaxFile Bytes `yaml:"max_file"`
	// MaxMasked is the largest file that is masked.
	MaxMasked Bytes `yaml:"max_masked"`
}

// FilesPrefix is what is known of a directory or a file, and of all below it.
type FilesPrefix struct {
	Prefix string `yaml:"prefix"`
	// Labels are those of what the files hold.
	Labels []sallyport.Label `yaml:"labels"`
	// PlainNames says that names hold no data, so that they may stand on record and in
	// policies, and be listed as they are.
	PlainNames bool `yaml:"plain_names"`
}

func (x *Files) setDefaults() {
	x.Root, x.Unlisted, x.MaxFile, x.MaxMasked = "/", "refuse", 10<<30, 10<<30
}

// validate checks what is not checked where the paths are compiled.
func (x *Files) validate(key string, f *findings) {
	oneOf(f, key+".unlisted", x.Unlisted, "refuse", "judge")
	if x.Unlisted == "refuse" && len(x.Prefixes) == 0 {
		f.add(key+".prefixes", "is missing; with unlisted: refuse there would be nothing")
	}
	for i, p := range x.Prefixes {
		if p.Prefix == "" {
			f.add(fmt.Sprintf("%s.prefixes[%d].prefix", key, i), "is missing")
		}
	}
	if x.MaxFile < 1 {
		f.add(key+".max_file", "is %v; want at least 1", x.MaxFile)
	}
	if x.MaxMasked < 1 {
		f.add(key+".max_masked", "is %v; want at least 1", x.MaxMasked)
	}
}
